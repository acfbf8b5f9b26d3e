"""The words of the tables that say what becomes of a tool's settings"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cockpit.importing.convert import as_bool
from cockpit.importing.ledger import Ledger
from cockpit.importing.settings import Setting, Settings

Rule = Callable[[Ledger, Setting], None]
"""Tells the ledger what becomes of one setting."""


def to(path: str, convert: Callable[[Any], Any] | None = None) -> Rule:
    """It is the recipe's field at the dotted path, under another name or with another value."""

    def rule(ledger: Ledger, setting: Setting) -> None:
        ledger.put(setting, path, None if convert is None else convert(setting.value))

    return rule


def named(path: str, names: Mapping[Any, Any], otherwise: str) -> Rule:
    """It is the field at the path, whose values have other names; one that is not among them is lost, as `otherwise`
    says."""

    def rule(ledger: Ledger, setting: Setting) -> None:
        key = setting.value.lower() if isinstance(setting.value, str) else setting.value
        if key in names:
            ledger.put(setting, path, names[key])
        else:
            ledger.lose(setting, otherwise)

    return rule


def note(why: str) -> Rule:
    """It is kept as a comment."""
    return lambda ledger, setting: ledger.note(setting, why)


def lost(why: str) -> Rule:
    """There is nothing like it here."""
    return lambda ledger, setting: ledger.lose(setting, why)


def lost_unless(usual: tuple[Any, ...], why: str, same: str = "as it is here") -> Rule:
    """It is kept as a comment where it says what is done here anyway, and lost, for a reason, where not."""

    def rule(ledger: Ledger, setting: Setting) -> None:
        is_usual = any(setting.value == one and type(setting.value) is type(one) for one in usual)
        is_usual = is_usual or as_bool(setting.value) in [one for one in usual if isinstance(one, bool)]
        (ledger.note if is_usual else ledger.lose)(setting, same if is_usual else why)

    return rule


def when(choose: Callable[[Any], Rule]) -> Rule:
    """Which rule it is depends on the value."""
    return lambda ledger, setting: choose(setting.value)(ledger, setting)


def on(rule: Rule, off: Rule) -> Rule:
    """One rule for a switch that is on, another for one that is off."""
    return when(lambda value: rule if as_bool(value) is True else off)


def apply(rules: Mapping[str, Rule], settings: Settings, ledger: Ledger) -> None:
    """Let the rules say what becomes of those of the settings that nobody has taken."""
    for setting in settings.left():
        rule = rules.get(setting.name)
        if rule is not None:
            settings.get(setting.name)
            rule(ledger, setting)


def apply_by_prefix(rules: Mapping[str, Rule], settings: Settings, ledger: Ledger) -> None:
    """The same by how a setting's name begins: the first of the rules that fits."""
    for setting in settings.left():
        rule = next((rule for prefix, rule in rules.items() if setting.name.startswith(prefix)), None)
        if rule is not None:
            settings.get(setting.name)
            rule(ledger, setting)


def lose_the_rest(settings: Settings, ledger: Ledger, why: str = "cockpit has no such setting") -> None:
    """Name what no rule knows."""
    for setting in settings.left():
        ledger.lose(setting, why)
