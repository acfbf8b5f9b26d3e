"""Reads a program for its calls and their arguments: constants are followed through names, nothing is run"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from cockpit.importing.dataset_calls import call_on_rows, plain_call
from cockpit.importing.formatting import formatted
from cockpit.importing.values import Call, Count, Record, Rows, Symbol, Unknown, rows_in, unknown

MOST_CALLS = 5_000
DEEPEST = 12
"""Functions of the program within each other."""
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
PLAIN = (int, float, str, bool, type(None))
LARGEST = 10**12


class Program:
    """The calls of a program in its order, and what it sets by assignment, such as os.environ["HF_HOME"]."""

    def __init__(self, tree: ast.Module) -> None:
        self.calls: list[Call] = []
        self.set: dict[str, tuple[Any, int]] = {}
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda] = {}
        self._inside: list[str] = []
        self._seen: set[str] = set()
        self._options: dict[str, Any] = {}
        self.bases: dict[str, list[str]] = {}
        """Of each class of the program the last names of what it is made of."""
        for statement in ast.walk(tree):
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions.setdefault(statement.name, statement)
            elif isinstance(statement, ast.ClassDef):
                self.bases[statement.name] = [ast.unparse(base).rpartition(".")[2] for base in statement.bases]
        self._run(tree.body)
        if not any(call.last.endswith("Trainer") for call in self.calls):
            self._run_the_rest(tree)

    def _run_the_rest(self, tree: ast.Module) -> None:
        """Of a program that is made to be used by another one: its functions and methods in order, as if each were
        called with its defaults."""
        for statement in tree.body:
            made = self._names.get(statement.name) if isinstance(statement, ast.ClassDef) else None
            own = Record(dict(made.fields), made.methods) if isinstance(made, Record) else Record({})
            inside = statement.body if isinstance(statement, ast.ClassDef) else [statement]
            for function in inside:
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name not in self._seen:
                    of_class = isinstance(statement, ast.ClassDef)
                    self._own_function(function, Call(function.name, function.lineno, (own,) if of_class else (), {}))

    @property
    def names(self) -> dict[str, Any]:
        """What the program's names hold in the end."""
        return self._names

    def function(self, name: str) -> ast.AST | None:
        """The program's own function of this name."""
        return self._functions.get(name)

    # Statements

    def _run(self, body: list[ast.stmt]) -> Any:
        """What is returned, where anything is."""
        returned: Any = None
        for statement in body:
            found = self._statement(statement)
            returned = found if found is not None else returned
        return returned

    def _statement(self, node: ast.stmt) -> Any:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self._assign(node)
        elif isinstance(node, ast.Expr):
            self.value(node.value)
        elif isinstance(node, ast.Return):
            return None if node.value is None else self.value(node.value)
        elif isinstance(node, ast.If):
            return self._branch(node)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self._bind(node.target, self._element(self.value(node.iter)))
            return self._run(node.body)
        elif isinstance(node, ast.While):
            return self._run(node.body)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                opened = self.value(item.context_expr)
                if item.optional_vars is not None:
                    self._bind(item.optional_vars, opened)
            return self._run(node.body)
        elif isinstance(node, ast.Try):
            returned = self._run(node.body)
            last = self._run([*node.orelse, *node.finalbody])
            return last if last is not None else returned
        elif isinstance(node, ast.FunctionDef) and any(ast.unparse(one).endswith("cell") or ".cell(" in ast.unparse(one)
                                                       for one in node.decorator_list):  # fmt: skip
            self._run(node.body)  # a cell of a marimo notebook
        elif isinstance(node, ast.ClassDef):
            fields: dict[str, Any] = {}
            for one in node.body:
                if isinstance(one, ast.AnnAssign | ast.Assign) and one.value is not None:
                    target = one.target if isinstance(one, ast.AnnAssign) else one.targets[0]
                    if isinstance(target, ast.Name):
                        fields[target.id] = self.value(one.value)
            methods: dict[str, ast.AST] = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
            self._names[node.name] = Record(fields, methods)
        return None

    def _branch(self, node: ast.If) -> Any:
        test = self.value(node.test)
        if isinstance(test, PLAIN):
            return self._run(node.body if test else node.orelse)
        otherwise = self._run(node.orelse)
        returned = self._run(node.body)
        return returned if returned is not None else otherwise

    def _assign(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        if node.value is None:
            return
        value = self.value(node.value)
        if isinstance(node, ast.AugAssign):
            value = rows_in(self.value(node.target), value) or unknown(node)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            self._bind(target, value)

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            if isinstance(value, Rows) and isinstance(before := self._names.get(target.id), Rows):
                value = _told_before(before, value)
            self._names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            several = value if isinstance(value, list | tuple) and len(value) == len(target.elts) else None
            for at, one in enumerate(target.elts):
                self._bind(one, several[at] if several is not None else value if isinstance(value, Rows) else
                           Unknown("a value that the program works out"))  # fmt: skip
        elif isinstance(target, ast.Subscript):
            key, holder = self.value(target.slice), self.value(target.value)
            if isinstance(holder, dict) and isinstance(key, str):
                holder[key] = value
            elif isinstance(key, str):
                self.set[f"{ast.unparse(target.value)}[{key}]"] = (value, target.lineno)
        elif isinstance(target, ast.Attribute):
            holder = self.value(target.value)
            if isinstance(holder, Record):
                holder.fields[target.attr] = value
            self.set[ast.unparse(target)] = (value, target.lineno)

    def _element(self, many: Any) -> Any:
        if isinstance(many, Rows):
            return many
        return many[0] if isinstance(many, list | tuple) and many else Unknown("an element")

    # Expressions

    def value(self, node: ast.expr) -> Any:
        """What the expression is known to be."""
        try:
            return self._value(node)
        except (RecursionError, ArithmeticError, TypeError, ValueError, AttributeError, LookupError):
            return unknown(node)

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._names.get(node.id, Symbol(node.id))
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            values = [self.value(one.value if isinstance(one, ast.Starred) else one) for one in node.elts]
            return tuple(values) if isinstance(node, ast.Tuple) else values
        if isinstance(node, ast.Dict):
            pairs = [(None if key is None else self.value(key), self.value(value))
                     for key, value in zip(node.keys, node.values, strict=True)]  # fmt: skip
            found: dict[Any, Any] = {}
            for key, value in pairs:
                found.update(value if key is None and isinstance(value, dict) else {_key(key): value})
            return found
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node)
        if isinstance(node, ast.IfExp):
            test = self.value(node.test)
            if isinstance(test, PLAIN):
                return self.value(node.body if test else node.orelse)
            return rows_in(self.value(node.body), self.value(node.orelse)) or Symbol(ast.unparse(node))
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            for one in node.generators:
                self._bind(one.target, self._element(self.value(one.iter)))
            return rows_in(self.value(node.elt)) or unknown(node)
        return self._arithmetic(node)

    def _arithmetic(self, node: ast.expr) -> Any:
        values = [self.value(one) for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return not values[0] if isinstance(values[0], PLAIN) else Symbol(unknown(node).source)
            if isinstance(values[0], int | float):
                return -values[0] if isinstance(node.op, ast.USub) else values[0]
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            found = _worked_out(node.op, *values)
            if found is not None:
                return found
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OPERATORS:
            left, right = values
            if isinstance(left, PLAIN) and isinstance(right, (*PLAIN, list, tuple)):
                return OPERATORS[type(node.ops[0])](left, right)
        elif isinstance(node, ast.BoolOp) and all(isinstance(one, PLAIN) for one in values):
            return all(values) if isinstance(node.op, ast.And) else next((one for one in values if one), values[-1])
        return rows_in(*values) or unknown(node)

    def _joined(self, node: ast.JoinedStr) -> Any:
        texts: list[str] = []
        for part in node.values:
            value = part.value if isinstance(part, ast.Constant) else self.value(part.value)  # type: ignore[attr-defined]
            if not isinstance(value, PLAIN):
                return unknown(node)
            texts.append(str(value))
        return "".join(texts)

    def _attribute(self, node: ast.Attribute) -> Any:
        holder = self.value(node.value)
        if isinstance(holder, Record):
            return holder.fields.get(node.attr, unknown(node))
        if isinstance(holder, Rows):
            return Count(holder) if node.attr == "num_rows" else holder
        if isinstance(holder, Symbol) and not isinstance(node.value, ast.Call):
            return Symbol(f"{holder.name}.{node.attr}")
        return unknown(node)

    def _subscript(self, node: ast.Subscript) -> Any:
        holder = self.value(node.value)
        if isinstance(node.slice, ast.Slice):
            end = None if node.slice.upper is None else self.value(node.slice.upper)
            is_first = node.slice.lower is None and isinstance(end, int)
            if isinstance(holder, Rows):
                return holder.each(max_rows=end) if is_first else holder
            return holder[:end] if isinstance(holder, str | list | tuple) and is_first else unknown(node)
        key = self.value(node.slice)
        if isinstance(holder, dict):
            return holder[key]
        if isinstance(holder, list | tuple | str) and isinstance(key, int):
            return holder[key]
        if isinstance(holder, Record) and isinstance(key, str):
            return holder.fields.get(key, unknown(node))
        if isinstance(holder, Rows):
            return _part(holder, key)
        return unknown(node)

    # Calls

    def _call(self, node: ast.Call) -> Any:
        if len(self.calls) > MOST_CALLS:
            return unknown(node)
        holder = self.value(node.func.value) if isinstance(node.func, ast.Attribute) else None
        args = tuple(self.value(one.value if isinstance(one, ast.Starred) else one) for one in node.args)
        keywords = {one.arg: self.value(one.value) for one in node.keywords if one.arg is not None}
        for one in node.keywords:
            if one.arg is None and isinstance(more := self.value(one.value), dict | Record):
                keywords.update(more if isinstance(more, dict) else more.fields)
        call = Call(_dotted(node.func), node.lineno, args, keywords)
        self.calls.append(call)
        if (named := self._options_of(call)) is not None:
            return named
        own = self._functions.get(call.name)
        if own is not None and not isinstance(own, ast.Lambda):
            return self._own_function(own, call)
        if isinstance(made := self._names.get(call.name), Record):
            return self._instance(made, call)
        if isinstance(holder, Record) and isinstance(method := holder.methods.get(call.last), ast.FunctionDef):
            return self._own_function(method, Call(call.last, call.line, (holder, *args), keywords))
        if isinstance(holder, Rows):
            return call_on_rows(holder, call, node, self._function_of, self)
        found = plain_call(call, holder, node)
        return found if found is not None else unknown(node)

    def _instance(self, made: Record, call: Call) -> Record:
        """An object of the program's own class."""
        found = Record({**made.fields, **call.keywords}, made.methods)
        if isinstance(begin := made.methods.get("__init__"), ast.FunctionDef):
            self._own_function(begin, Call("__init__", call.line, (found, *call.args), call.keywords))
        return found

    def _function_of(self, node: ast.expr | None) -> ast.AST | None:
        """The function that is handed over."""
        if isinstance(node, ast.Lambda):
            return node
        return self._functions.get(node.id) if isinstance(node, ast.Name) else None

    def _own_function(self, function: ast.FunctionDef | ast.AsyncFunctionDef, call: Call) -> Any:
        rows = rows_in(*call.args, *call.keywords.values())
        if rows is not None and (told := formatted(rows, function, self, call.line)) is not None:
            return told
        if function.name in self._inside or len(self._inside) >= DEEPEST:
            return rows if rows is not None else Unknown(call.name)
        kept = dict(self._names)
        self._seen.add(function.name)
        self._inside.append(function.name)
        parameters = function.args
        names = [one.arg for one in (*parameters.posonlyargs, *parameters.args)]
        for name, default in zip(reversed(names), reversed(parameters.defaults), strict=False):
            self._names[name] = self.value(default)
        for one, keyword_default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True):
            self._names[one.arg] = None if keyword_default is None else self.value(keyword_default)
        self._names.update(zip(names, call.args, strict=False))
        self._names.update(call.keywords)
        returned = self._run(function.body)
        self._inside.pop()
        self._names = kept
        return returned if returned is not None else rows if rows is not None else Unknown(call.name)

    def _options_of(self, call: Call) -> Any:
        """The options of a command line: what they are where the script is given none."""
        if call.last == "add_argument":
            named = [one for one in call.args if isinstance(one, str)]
            long = next((one for one in named if one.startswith("--")), named[0] if named else "")
            name = call.keywords.get("dest") or long.lstrip("-").replace("-", "_")
            is_switch = call.keywords.get("action") in ("store_true", "store_false")
            off = call.keywords.get("action") == "store_false"
            self._options[name] = call.keywords.get("default", off if is_switch else Unknown(f"option {long}"))
            return Symbol("option")
        if call.last in ("parse_args", "parse_known_args") and self._options:
            return Record(dict(self._options))
        return None


def _worked_out(operation: ast.operator, left: Any, right: Any) -> Any:
    """What two known values come to; None where they come to nothing that is known."""
    if isinstance(operation, ast.Mult) and isinstance(right, Count) and isinstance(left, int | float):
        left, right = right, left
    if isinstance(left, Count) and isinstance(right, int | float):
        if isinstance(operation, ast.Mult):
            return Count(left.rows, left.factor * right)
        if isinstance(operation, ast.Div):
            return Count(left.rows, left.factor / right)
    if isinstance(left, PLAIN) and isinstance(right, PLAIN) and _is_small(left, right, operation):
        return OPERATORS[type(operation)](left, right)
    if isinstance(left, list) and isinstance(right, list) and isinstance(operation, ast.Add):
        return left + right
    return None


def _told_before(before: Rows, value: Rows) -> Rows:
    """Rows that are assigned anew to the same name are what was made of them."""
    return rows_in(value, Rows((), before.of_data, before.lost, before.notes)) or value


def _part(rows: Rows, key: Any) -> Any:
    """A split of rows, one of their columns, or one row."""
    if key in ("train", "test", "validation") and "share" in rows.of_data:
        held = {name: value for name, value in rows.of_data.items() if name != "share"}
        return Rows(rows.sources, {**held, "part": key, "eval_share": rows.of_data["share"]}, rows.lost, rows.notes)
    files = rows.sources[0].fields.get("files") if len(rows.sources) == 1 else None
    if isinstance(files, dict) and isinstance(files.get(key), str):
        return rows.each(name_or_path=files[key])
    if isinstance(key, str) and all("split" not in one.fields for one in rows.sources) and key in (
        "train", "test", "validation", "eval", "dev"
    ):  # fmt: skip
        return rows.each(split=key)
    return rows


def _key(key: Any) -> Any:
    return key if isinstance(key, PLAIN) else str(key)


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def _is_small(left: Any, right: Any, operation: ast.operator) -> bool:
    """Whether working it out takes neither time nor memory."""
    sizes = [len(one) if isinstance(one, str) else abs(one or 0) for one in (left, right)]
    if isinstance(operation, ast.Pow):
        return sizes[0] < 1000 and sizes[1] < 100
    return all(size < LARGEST for size in sizes) and (
        not isinstance(operation, ast.Mult) or not (isinstance(left, str) or isinstance(right, str))
    )
