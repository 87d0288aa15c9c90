"""What people read in other languages than English, and how a site gets these."""

import re
from functools import cache

import polib

from tools.sentences import CATALOGUE, templates
from tools.stack import Stack, paths

FILES = {"de_DE": "de", "zh_CN": "zh_CN"}
ENGLISH = "en_US"
# The modules whose pages are looked at.
MODULES = ("base", "web", "mail", "calendar", "microsoft_calendar", paths.ADDON)


@cache
def translations(lang: str) -> dict[str, str]:
    """Returns ``{English: translation}`` of the add-on."""
    file = paths.ADDONS_DIR / paths.ADDON / "i18n" / f"{FILES[lang]}.po"
    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(file))}


def in_language(lang: str, english: str) -> str:
    return english if lang == ENGLISH else translations(lang)[english]


def sentence(lang: str, code: str) -> str:
    """Returns the template of a sentence of the service, with ``%(name)s`` for its arguments."""
    return in_language(lang, templates(CATALOGUE.read_text())[code])


def pattern(template: str) -> re.Pattern[str]:
    """Returns what finds a template's text, whatever its arguments are. Sentences begin in upper case
    where they stand alone."""
    parts = re.split(r"%\(\w+\)s", template.rstrip("."))
    return re.compile(".+".join(re.escape(part) for part in parts), re.IGNORECASE | re.DOTALL)


def activate(stack: Stack, lang: str) -> None:
    """Activates a language, for what the add-on says. Labels stay English."""
    admin = stack.odoo.admin
    (found,) = admin.execute("res.lang", "search", [["code", "=", lang]], context={"active_test": False})
    admin.write("res.lang", found, active=True)


def load(stack: Stack, *languages: str) -> None:
    """Loads all terms of the pages that are looked at."""
    script = stack.run_dir / "load_languages.py"
    script.write_text(
        "def run(env, given):\n"
        "    for code in given['languages']:\n"
        "        env['res.lang']._activate_lang(code)\n"
        "    modules = env['ir.module.module'].search([('name', 'in', given['modules'])])\n"
        "    modules._update_translations(given['languages'])\n"
        "    env.registry.clear_all_caches()\n"
        "    env.cr.commit()\n"
        # The server has read the pages in English before.
        "    env.registry.signal_changes()\n"
    )
    stack.odoo.run_script(script, languages=list(languages), modules=list(MODULES))
