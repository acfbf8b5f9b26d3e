"""Fields that had another name in earlier recipes and run folders: they are read with their meaning"""

from __future__ import annotations

from cockpit.recipe.yaml_source import YamlSource, parse

_OLD = ("data", "train_on_responses_only")
_NEW = "train_on"
_VALUES = {True: "answers", False: "all"}


def with_new_names(source: YamlSource) -> YamlSource:
    """The recipe with fields under their names of today; comments, lines and all else as they stand."""
    section = source.values.get(_OLD[0])
    if not isinstance(section, dict) or _NEW in section or not isinstance(section.get(_OLD[1]), bool):
        return source
    for data, value in source.root.value:
        if data.value == _OLD[0]:
            key, given = next((key, given) for key, given in value.value if key.value == _OLD[1])
    before, after = source.text[: key.start_mark.index], source.text[given.end_mark.index :]
    between = source.text[key.end_mark.index : given.start_mark.index]
    return parse(f"{before}{_NEW}{between}{_VALUES[section[_OLD[1]]]}{after}", source.file)


def renamed_setting(setting: str) -> str:
    """A setting of the command line such as `data.train_on_responses_only=false`, under the field's name of today."""
    name, equals, text = setting.partition("=")
    if tuple(name.strip().split(".")) != _OLD or text.strip().lower() not in ("true", "false"):
        return setting
    return f"{_OLD[0]}.{_NEW}{equals}{_VALUES[text.strip().lower() == 'true']}"
