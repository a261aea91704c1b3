"""Catalogues of workers' pages: what the code marks for translation, what a catalogue holds, and its compiled form.

GNU gettext's tools are not needed: templates are read by Django's own parser, modules by Python's.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from django.template.base import Template
from django.template.engine import Engine
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils.translation import trim_whitespace

PACKAGE = Path(__file__).resolve().parent.parent
LOCALES = PACKAGE / "locale"
SINGULAR = {"gettext", "gettext_lazy", "_"}
PLURAL = {"ngettext", "ngettext_lazy"}


@dataclass(slots=True)
class Message:
    """One marked string, its plural if it has one, and the files that use it."""

    text: str
    plural: str = ""
    files: list[str] = field(default_factory=list)


def find_messages(package: Path = PACKAGE) -> dict[str, Message]:
    """What templates and modules under `package` mark for translation, by text."""
    messages: dict[str, Message] = {}
    for path in sorted([*package.rglob("*.html"), *package.rglob("*.py")]):
        name = path.relative_to(package).as_posix()
        source = path.read_text(encoding="utf-8")
        found = _marked_in_template(source) if path.suffix == ".html" else _marked_in_module(source)
        for text, plural in found:
            message = messages.setdefault(text, Message(text))
            message.plural = message.plural or plural
            if name not in message.files:
                message.files.append(name)
    return messages


def _marked_in_template(source: str) -> Iterator[tuple[str, str]]:
    nodes = Template(source, engine=Engine.get_default()).nodelist
    for node in nodes.get_nodes_by_type(TranslateNode):
        yield cast(TranslateNode, node).filter_expression.var.literal, ""
    for found in nodes.get_nodes_by_type(BlockTranslateNode):
        node = cast(BlockTranslateNode, found)
        forms = [node.render_token_list(tokens)[0] for tokens in (node.singular, node.plural) if tokens]
        forms = [trim_whitespace(form) for form in forms] if node.trimmed else forms
        yield forms[0], forms[1] if len(forms) == 2 else ""


def _marked_in_module(source: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SINGULAR | PLURAL:
            texts = [ast.literal_eval(argument) for argument in node.args[: 2 if node.func.id in PLURAL else 1]]
            yield texts[0], texts[1] if len(texts) == 2 else ""


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """What an update did to the catalogue of a language, and how many of its strings want a translation."""

    language: str
    added: int
    removed: int
    untranslated: int


def update_catalogues(locales: Path = LOCALES) -> list[CatalogueChange]:
    """Bring every `django.po` under `locales` up to what is marked, and compile it.

    A string that is gone leaves its catalogue too; what is new waits there, empty, for its translation.
    """
    messages = find_messages()
    return [_update(path, messages) for path in sorted(locales.glob("*/LC_MESSAGES/django.po"))]


def _update(path: Path, messages: dict[str, Message]) -> CatalogueChange:
    import polib

    catalogue = polib.pofile(str(path), wrapwidth=0)
    known = {entry.msgid: entry for entry in catalogue}
    entries = []
    for text, message in messages.items():
        entry = known.get(text) or polib.POEntry(msgid=text, msgid_plural=message.plural)
        entry.occurrences = [(name, "") for name in message.files]
        if message.plural and not entry.msgstr_plural:
            entry.msgstr_plural = {0: ""}
        entries.append(entry)
    catalogue[:] = entries
    catalogue.save(str(path))
    path.with_suffix(".mo").write_bytes(catalogue.to_binary())
    waiting = len(catalogue.untranslated_entries()) + len(catalogue.fuzzy_entries())
    return CatalogueChange(path.parent.parent.name, len(messages.keys() - known), len(known.keys() - messages), waiting)
