# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ast
import inspect
import re
import textwrap
from pathlib import Path

from odoo import fields
from odoo.modules import get_module_path
from odoo.tests import TransactionCase, tagged
from odoo.tools.translate import code_translations

from .. import compat

MODULE = "microsoft_calendar_bridge"
PACKAGE = f"odoo.addons.{MODULE}"
ROOT = Path(__file__).parents[1]
# What every module of Odoo uses of a record or an environment.
EVERYDAY = {"_", "_fields", "_ids", "_inherit", "_name", "_origin", "_table"}
# Methods that every module extends in the same way.
ORM = {"create", "write", "unlink", "copy", "default_get"}


def parameters(function):
    """Returns the parameters as written, without annotations."""
    found = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].args
    for argument in (*found.posonlyargs, *found.args, *found.kwonlyargs, found.vararg, found.kwarg):
        if argument:
            argument.annotation = None
    return ast.unparse(found)


def sources():
    """``{file: its syntax tree}`` of this module's own code."""
    files = [file for file in ROOT.rglob("*.py") if file.relative_to(ROOT).parts[0] not in ("tests", "migrations")]
    return {file.relative_to(ROOT): ast.parse(file.read_text()) for file in files}


@tagged("post_install", "-at_install")
class TestCompat(TransactionCase):
    def _foreign(self, model, method):
        """Returns Odoo's own method, without what this module and tests replace it with; or None."""
        classes = type(self.env[model]).__mro__
        return next(
            (
                inspect.unwrap(cls.__dict__[method])
                for cls in classes
                if method in cls.__dict__ and not cls.__module__.startswith(PACKAGE) and "odoo." in cls.__module__
            ),
            None,
        )

    def test_odoo_has_each_method_with_its_parameters(self):
        for model, methods in compat.METHODS.items():
            for method, expected in methods.items():
                with self.subTest(model=model, method=method):
                    found = self._foreign(model, method)
                    self.assertTrue(found, f"Odoo has no {method} of {model} any more")
                    self.assertEqual(parameters(found), expected)

    def test_odoos_fields_have_each_method_with_its_parameters(self):
        for method, expected in compat.FIELD_METHODS.items():
            self.assertEqual(parameters(getattr(fields.Field, method)), expected)

    def test_odoo_has_each_route_with_its_parameters(self):
        for controller, methods in compat.ROUTES.items():
            for method, expected in methods.items():
                with self.subTest(controller=controller.__name__, method=method):
                    self.assertEqual(parameters(inspect.unwrap(getattr(controller, method))), expected)

    def test_odoo_has_each_method_that_nothing_calls_while_paired(self):
        for method in compat.UNASKED:
            with self.subTest(method=method):
                self.assertTrue(self._foreign("calendar.event", method))

    def test_odoo_stores_each_column(self):
        for model, columns in compat.COLUMNS.items():
            for column in columns:
                with self.subTest(model=model, column=column):
                    field = self.env[model]._fields.get(column)
                    self.assertTrue(field and field.store and field.column_type, "it is no column any more")

    def test_odoo_reads_each_word(self):
        texts = {
            module: "".join(
                file.read_text() for file in Path(get_module_path(module)).rglob("*.py") if "tests" not in file.parts
            )
            for module in set(compat.WORDS.values())
        }
        for word, module in compat.WORDS.items():
            with self.subTest(word=word):
                is_read = re.search(rf"\b{re.escape(word)}\b", texts[module])
                self.assertTrue(is_read, f"{module} does not read it any more")

    def test_odoo_says_the_restriction_of_outlook_in_these_words(self):
        self.assertIn(compat.CROSSING, code_translations.get_python_translations("microsoft_calendar", "fr_FR"))

    def test_each_method_that_is_extended_is_listed(self):
        """A class that extends a model of Odoo overrides no method that the table does not list."""
        for model in self.env.registry:
            for cls in type(self.env[model]).__mro__:
                if not cls.__module__.startswith(f"{PACKAGE}.") or ".tests." in cls.__module__:
                    continue
                for name, value in cls.__dict__.items():
                    if not callable(value) or name.startswith("__") or name in ORM or not self._foreign(model, name):
                        continue
                    with self.subTest(model=model, method=name):
                        known = [
                            listed
                            for listed, methods in compat.METHODS.items()
                            if name in methods and (listed == "base" or listed in (model, *self._parents(model)))
                        ]
                        self.assertTrue(known, f"{cls.__module__} extends it: add it to compat.METHODS")

    def _parents(self, model):
        return [cls._name for cls in type(self.env[model]).__mro__ if getattr(cls, "_name", None)]

    def test_each_private_name_that_is_used_is_listed(self):
        listed = {name for methods in (*compat.METHODS.values(), compat.FIELD_METHODS) for name in methods}
        trees = sources()
        own = {
            node.name
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        for file, tree in trees.items():
            for node in ast.walk(tree):
                if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr.startswith("__"):
                    continue
                with self.subTest(file=str(file), line=node.lineno):
                    known = node.attr in EVERYDAY | listed | own
                    self.assertTrue(known, f"{node.attr} is Odoo's own: add it to compat.METHODS")

    def test_what_is_imported_of_other_modules_is_imported_in_one_place(self):
        for file, tree in sources().items():
            if str(file) == "compat.py":
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and not node.level:
                    with self.subTest(file=str(file), line=node.lineno):
                        inner = (
                            "odoo.addons",
                            "odoo.service",
                            "odoo.tools.constants",
                            "odoo.tools.translate",
                            "odoo.orm",
                        )
                        self.assertFalse((node.module or "").startswith(inner), "import it in compat.py")
