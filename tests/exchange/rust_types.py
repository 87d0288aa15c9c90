"""Reads the service's structs and enums of the exchange from its source, with the names that serde
gives them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
# Attributes of serde that neither rename nor skip a field.
HARMLESS = re.compile(r"default(\s*=\s*\"\w+\")?|skip_serializing_if\s*=\s*\"[\w:]+\"|flatten|transparent")


@dataclass
class Field:
    type: str
    flattened: bool = False
    # Whether it may be absent.
    optional: bool = False


@dataclass
class Type:
    name: str
    file: Path
    fields: dict[str, Field] = field(default_factory=dict)
    # The variants of an enum: the fields of each one, or the type that it holds.
    variants: dict[str, "dict[str, Field] | str"] = field(default_factory=dict)
    # The field of the object that names the variant.
    tag: str | None = None
    # Attributes of serde that this file does not know, and that may change the names of fields.
    unknown: set[str] = field(default_factory=set)


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Source:
    def __init__(self, root: Path = SOURCE):
        self.texts = {path: path.read_text() for path in sorted(root.rglob("*.rs"))}
        self.root = root
        self.types: dict[str, list[Type]] = {}
        for path, text in self.texts.items():
            for declared in self._declared(path, text):
                self.types.setdefault(declared.name, []).append(declared)

    def _declared(self, path: Path, text: str):
        # rustfmt indents the end of a type like its beginning, and the content by four more spaces.
        pattern = re.compile(
            r"(?P<attributes>(?:^[ ]*#\[[^\n]*\n)*)^(?P<indent>[ ]*)"
            r"(?:pub(?:\([^)]*\))? )?(?P<kind>struct|enum) (?P<name>\w+) \{\n"
            r"(?P<body>.*?)^(?P=indent)\}$",
            re.MULTILINE | re.DOTALL,
        )
        for match in pattern.finditer(text):
            body = re.sub(rf"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
            body = re.sub(r"^\s*//.*\n", "", body, flags=re.MULTILINE)
            declared = Type(match["name"], path)
            if match["kind"] == "struct":
                declared.fields = self._fields(declared, body, 4)
                for told in re.findall(r"#\[serde\((.*)\)\]", match["attributes"]):
                    declared.unknown |= {word for word in re.split(r",\s*", told) if not HARMLESS.fullmatch(word)}
            else:
                tag = re.search(r"tag = \"(\w+)\"", match["attributes"])
                declared.tag = tag[1] if tag else None
                self._variants(declared, body, "snake_case" in match["attributes"])
            yield declared

    def _fields(self, declared: Type, body: str, indent: int) -> dict[str, Field]:
        found, told = {}, ""
        for line in body.splitlines():
            text = line.strip()
            if serde := re.fullmatch(r"#\[serde\((.*)\)\]", text):
                declared.unknown |= {word for word in re.split(r",\s*", serde[1]) if not HARMLESS.fullmatch(word)}
                told += text
            elif member := re.fullmatch(rf" {{{indent}}}(?:pub(?:\([^)]*\))? )?(\w+): (.+),", line):
                found[member[1]] = Field(member[2], "flatten" in told, "default" in told or "skip_serializing" in told)
                told = ""
        return found

    def _variants(self, declared: Type, body: str, is_snake: bool):
        lines = iter(body.splitlines())
        for line in lines:
            match = re.fullmatch(r" {4}(\w+)(?: = \"(\w+)\")?(,|\(.+\),| \{)", line)
            if not match:
                continue
            name = match[2] or (snake(match[1]) if is_snake else match[1])
            if match[3] == " {":
                inner = []
                for line in lines:
                    if line == "    },":
                        break
                    inner.append(line)
                declared.variants[name] = self._fields(declared, "\n".join(inner), 8)
            else:
                declared.variants[name] = match[3].strip("(),") if match[3] != "," else {}

    def find(self, path: str, used_in: Path | None = None) -> Type | None:
        """Returns the type of a path like ``brake::AnswerRequest``, as it is named in a file."""
        *modules, name = re.sub(r"<.*>", "", path).split("::")
        candidates = self.types.get(name, [])
        if not modules and used_in:
            if near := [one for one in candidates if one.file == used_in]:
                return near[0]
            imports = re.findall(r"^use crate::([\w:]+)::(?:\{([^}]*)\}|(\w+));", self.texts[used_in], re.MULTILINE)
            for module, group, single in imports:
                if name in re.split(r",\s*", (group or single).strip()):
                    modules = module.split("::")
        modules = [module for module in modules if module not in ("crate", "super")]
        while modules:
            where = "/".join(modules)
            fitting = [
                one
                for one in candidates
                if f"/{where}.rs" in f"/{one.file.relative_to(self.root)}"
                or f"/{where}/" in f"/{one.file.relative_to(self.root)}"
            ]
            exact = [one for one in fitting if one.file.match(f"*/{where}.rs")]
            if exact or len(fitting) == 1:
                return (exact or fitting)[0]
            modules = modules[1:]
        assert len(candidates) <= 1, f"{path}: which of {[str(one.file) for one in candidates]}?"
        return candidates[0] if candidates else None

    def inner(self, declared: Type, of: Field) -> Type | None:
        """Returns the type inside ``Option``, ``Vec`` or ``Box``; ``None`` for a type without fields."""
        name = of.type
        while match := re.fullmatch(r"(?:Option|Vec|Box)<(.+)>", name):
            name = match[1]
        return self.find(name, declared.file) if re.fullmatch(r"[\w:]+", name) else None

    def all_fields(self, declared: Type, fields: dict[str, Field]) -> dict[str, tuple[Type, Field]]:
        """Returns the fields, including those of types that are flattened into them."""
        assert not declared.unknown, f"{declared.file}: teach this test what serde({declared.unknown}) does"
        found = {}
        for name, one in fields.items():
            if not one.flattened:
                found[name] = (declared, one)
                continue
            inner = self.inner(declared, one)
            if inner and not inner.tag:
                found.update(self.all_fields(inner, inner.fields))
        return found

    def list_methods(self) -> tuple[set[str], dict[str, Type]]:
        """Returns the models that are searched, and each method with the type of its arguments."""
        path = self.root / "web" / "methods.rs"
        models = set(re.findall(r"read_model!\(module, \"([\w.]+)\"", self.texts[path]))
        found = re.findall(r"concat!\(\$name, \"\.(\w+)\"\),\s*\|\w+, \w+, \w+: ([\w:]+)\|", self.texts[path])
        return models, {name: self.find(of, path) or Type("Nothing", path) for name, of in found}

    def methods(self) -> dict[str, Type]:
        """Returns ``model.method`` of all methods, with the type of the keyword arguments."""
        path = self.root / "web" / "methods.rs"
        text = re.sub(r"^macro_rules!.*?^}\n", "", self.texts[path], flags=re.MULTILINE | re.DOTALL)
        called = re.findall(
            r"method(?:_with_state)?!\(\s*module,\s*\"([\w.]+)\",\s*\|engine, caller, \w+: ([\w:]+)\|", text
        )
        registered = len(re.findall(r"^\s+method(?:_with_state)?!\(", text, re.MULTILINE))
        assert len(called) == registered, "a method is registered in a form that this test does not know"
        known = {name: self.find(of, path) for name, of in called}
        known["outlook.bridge.pair"] = self.find("pairing::PairRequest")
        empty = Type("Nothing", path)
        return {name: of or empty for name, of in known.items()}
