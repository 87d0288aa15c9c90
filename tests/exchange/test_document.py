"""Checks that docs/EXCHANGE.md matches the code: the same methods, arguments, fields, values and
statuses."""

import ast
import re
from pathlib import Path

import pytest

from tests.exchange.document import Document, words
from tests.exchange.rust_types import Source, Type

ADDON = Path(__file__).parents[2] / "odoo_addon" / "microsoft_calendar_bridge"
METHODS = "| model | method | keyword arguments | answer |"
VALUES = "| field | values |"
REFUSED = "| what is refused | HTTP status | error |"
LISTS = "| method of each | keyword arguments | answer |"

# Types of examples that have another name in the code.
TYPES = {
    "Change": "TouchedRecord",
    "Row": "odoo::touched::Row",
    "ResetPreview": "reset::preview::Preview",
    "Preview": "guards::preview::Preview",
}
# Fields that the add-on sends and the service does not read.
UNREAD = {
    ("Snapshot", "model"),
    ("SeriesRows", "model"),
}
# The fields in the table of values, and the enum of each.
ENUMS = {
    "`status` of an account": "AccountStatus",
    "`policy`": "calendar::merge::Policy",
    "`level` of a line of the journal": "store::journal::Level",
    "`choice`": "guards::preview::Choice",
    "`delete_policy`": "DeletePolicy",
    "`sync_policy`": "SyncPolicy",
    "`kind` of a mail that is held": "WriteKind",
    "`cause`": "odoo::exchange::Cause",
    "`op`": "OdooChange",
    "`result`": "AckResult",
    "`mailer`": "Mailer",
}
# A response to an invitation is not counted as a mail, so it never waits for approval.
NEVER = {"`kind` of a mail that is held": {"respond"}}
# The add-on's functions that call the service, and their own arguments.
CALLERS = {"_call", "_call_unheard", "_outlook_bridge_tell"}
OWN_ARGUMENTS = {"uid", "timeout", "url", "api_key"}

STATUSES = {
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "REQUEST_TIMEOUT": 408,
    "LENGTH_REQUIRED": 411,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "UNPROCESSABLE_ENTITY": 422,
    "TOO_MANY_REQUESTS": 429,
}


@pytest.fixture(scope="module")
def source():
    return Source()


@pytest.fixture(scope="module")
def document():
    return Document()


def documented_methods(document: Document) -> dict[str, set[str] | None]:
    """Returns ``model.method`` with its arguments; ``None`` if an example shows them."""
    found = {}
    for model, names, arguments, _answer in document.table("Methods", METHODS):
        for name in re.findall(r"`(\w+)`", names):
            method = f"{model.strip('`')}.{name}"
            assert method not in found, f"{method} is there twice"
            # Words in parentheses are values.
            plain = re.sub(r"\([^)]*\)", "", arguments)
            found[method] = None if "see below" in arguments else words(plain)
    return found


def test_methods(source, document):
    known = {name: source.all_fields(of, of.fields).keys() for name, of in source.methods().items()}
    documented = documented_methods(document)
    assert documented.keys() == known.keys()
    for name, arguments in documented.items():
        if arguments is not None:
            assert arguments == set(known[name]), name


def test_lists(source, document):
    models, methods = source.list_methods()
    assert models <= words(document.sections["Lists"])
    rows = {name.strip("`"): arguments for name, arguments, _answer in document.table("Lists", LISTS)}
    assert rows.keys() == methods.keys()
    for name, arguments in rows.items():
        known = set(source.all_fields(methods[name], methods[name].fields))
        shown = words(re.sub(r"\([^)]*\)", "", arguments))
        # `search_count` takes the arguments of a search, and needs two of them.
        assert shown <= known if name in ("search", "search_count") else shown == known, name


def variants_of(source: Source, declared: Type) -> Type | None:
    """Returns the tagged enum that is flattened into a type."""
    for one in declared.fields.values():
        inner = source.inner(declared, one) if one.flattened else None
        if inner and inner.tag:
            return inner
    return None


def fields_of(source: Source, declared: Type, value: dict) -> dict:
    fields = source.all_fields(declared, declared.fields)
    tagged = variants_of(source, declared)
    if not tagged:
        return fields
    fields[tagged.tag] = None
    variant = tagged.variants[value[tagged.tag]]
    if isinstance(variant, str):
        of = re.sub(r"Box<(.+)>", r"\1", variant)
        inner = source.find(of, tagged.file)
        fields.update(source.all_fields(inner, inner.fields))
        if of == "ApplySeries":
            # Stored in the form in which it is sent.
            shape = source.find("SeriesShape")
            fields.update(source.all_fields(shape, shape.fields))
            fields.update(dict.fromkeys(("start", "stop")))
    else:
        fields.update(source.all_fields(tagged, variant))
    return fields


class Shown:
    """The fields that the document shows, by type, and where it shows them."""

    def __init__(self, source: Source, document: Document):
        self.source = source
        self.fields: dict[str, tuple[set[str], dict, str]] = {}
        self.surplus: set[tuple[str, str]] = set()
        for example in document.examples():
            assert example.type, f"an example in “{example.section}” does not say of which type it is"
            if example.type == "Envelope":
                continue
            name = {"OdooChange": "NumberedChange"}.get(example.type, TYPES.get(example.type, example.type))
            declared = source.find(name)
            assert declared, f"there is no type {name}"
            for value in example.values:
                self.look(example.type, declared, value, document.sections[example.section])

    def look(self, name: str, declared: Type, value, text: str):
        known = fields_of(self.source, declared, value)
        tagged = variants_of(self.source, declared)
        label = f"{name}.{value[tagged.tag]}" if tagged else name
        shown, _, where = self.fields.get(label, (set(), {}, ""))
        self.fields[label] = (shown | value.keys(), known, where + text)
        self.surplus |= {(name, key) for key in value.keys() - known.keys()}
        for key, inside in value.items():
            inner = self.source.inner(*known[key]) if known.get(key) else None
            for one in inside if isinstance(inside, list) else [inside]:
                if inner and isinstance(one, dict):
                    self.look(inner.name, inner, one, text)


def test_examples_show_every_field_and_no_other(source, document):
    shown = Shown(source, document)
    assert shown.surplus == UNREAD, "in an example, and not in the code (or the other way round)"
    missing = {
        f"{label}.{name}"
        for label, (keys, known, text) in shown.fields.items()
        for name, one in known.items()
        # An optional field may also be named in the text beside an example.
        if name not in keys and not (one and one[1].optional and name in words(text))
    }
    assert not missing, "in the code, and in no example"


def test_every_variant_has_an_example(source, document):
    shown = Shown(source, document).fields
    labels = {f"OdooChange.{variant}" for variant in source.find("OdooChange").variants}
    assert labels == {label for label in shown if label.startswith("OdooChange.")}


def test_values(source, document):
    rows = {field: words(values) for field, values in document.table("Values of a field", VALUES)}
    assert rows.keys() == ENUMS.keys()
    for field, values in rows.items():
        assert values == set(source.find(ENUMS[field]).variants) - NEVER.get(field, set()), field


def test_refusals(source, document):
    text = source.texts[source.root / "web" / "rpc.rs"]
    function = re.search(r"impl Refusal \{\s+(?:pub[^ ]* )?fn status.*?\n    \}\n", text, re.DOTALL)[0]
    known = {STATUSES[name] for name in re.findall(r"StatusCode::([A-Z_]+)", function)}
    assert "HttpResponse::LengthRequired()" in text
    known |= {STATUSES["LENGTH_REQUIRED"], 200, 500}
    rows = document.table("Transport", REFUSED)
    assert {int(number) for row in rows for number in re.findall(r"\b\d{3}\b", row[1])} == known


def text_of(tree: ast.AST, word: ast.expr) -> str | None:
    """Returns a literal text, or the value of ``self._name`` in this file."""
    if isinstance(word, ast.Constant):
        return word.value
    if isinstance(word, ast.Attribute) and word.attr == "_name":
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("_name", "_inherit"):
                return node.value.value
    return None


def test_the_add_on_calls_methods_with_arguments_that_there_are(source, document):
    models, lists = source.list_methods()
    documented = documented_methods(document)
    [request] = [example.values[0] for example in document.examples() if example.type == "SyncRequest"]
    called = set()
    for path in [*ADDON.glob("models/*.py"), *ADDON.glob("wizard/*.py"), *ADDON.glob("controllers/*.py")]:
        tree = ast.parse(path.read_text())
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in CALLERS):
                continue
            if any(isinstance(one, ast.Name) and one.id == "method" for one in call.args):
                # A call inside one of these functions.
                continue
            texts = [text_of(tree, one) for one in call.args]
            assert len(texts) == 2 and all(texts), f"{path.name}:{call.lineno}: method names are texts"
            method = ".".join(texts)
            if texts[0] in models and texts[1] in lists:
                continue
            assert method in documented, f"{path.name}:{call.lineno}: {method}"
            called.add(method)
            arguments = {one.arg for one in call.keywords if one.arg} - OWN_ARGUMENTS
            known = documented[method]
            assert arguments <= (request.keys() if known is None else known), f"{path.name}:{call.lineno}: {method}"
    assert called == documented.keys(), "documented, and never called"


def constants(path: Path) -> dict[str, ast.expr]:
    tree = ast.parse(path.read_text())
    return {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}


def names_in(known: dict[str, ast.expr], of: ast.expr) -> set[str]:
    """Returns the texts in a constant, and in the constants that it uses."""
    found = set()
    for node in ast.walk(of):
        if isinstance(node, ast.Constant):
            found.add(node.value)
        elif isinstance(node, ast.Name) and node.id in known:
            found |= names_in(known, known[node.id])
    return found


def test_the_add_on_applies_what_is_documented(source, document):
    known = constants(ADDON / "models" / "outlook_bridge_apply.py")
    assert names_in(known, known["OPS"]) == set(source.find("OdooChange").variants)
    text = document.sections["OdooChange: service → Odoo"]
    listed = re.search(r"of these keys and no others:\n`([^`]+)`", text)[1].split(", ")
    with_shape = re.findall(r"^\* `(\w+): ", text, re.MULTILINE)
    assert names_in(known, known["ALLOWLIST"]) == {*listed, *with_shape}


def dict_keys(tree: ast.AST) -> list[set[str]]:
    """Returns the literal keys of each dictionary in a piece of code."""
    return [
        {key.value for key in node.keys if isinstance(key, ast.Constant)}
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
    ]


def test_the_add_on_tells_snapshots_as_documented(document):
    for file, type_name, first in (
        ("outlook_bridge_snapshot.py", "Snapshot", "calendar.event"),
        ("outlook_bridge_series_snapshot.py", "SeriesRows", "calendar.recurrence"),
    ):
        [value] = [one.values[0] for one in document.examples() if one.type == type_name]
        tree = ast.parse((ADDON / "models" / file).read_text())
        [told] = [keys for keys in dict_keys(tree) if {"model", "link"} <= keys]
        told |= {
            node.targets[0].slice.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Subscript)
            and isinstance(node.targets[0].slice, ast.Constant)
            and getattr(node.targets[0].value, "id", "") in ("snapshot", "document")
        }
        if type_name == "Snapshot":
            [times] = [keys for keys in dict_keys(tree) if {"allday", "stop_date"} <= keys]
            told |= times
        assert value["model"] == first
        assert told - {"stock_ids"} == value.keys(), file
