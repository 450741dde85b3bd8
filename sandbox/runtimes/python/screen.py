# Copyright (C) The codeexec authors.
"""What a program is not to do, as far as its syntax tree tells: docs/python.md,
"Screening".

A policy, and no wall: a program that means to can get around it.
"""

import ast
import linecache

import ragflow
import results

MOST = 500          # complaints
TEXT_MAX = 1000     # characters of each of their texts

BUILTINS = 'builtins', '__builtins__'


class Rejected(SystemExit):
    """Ends the run before its program begins.

    complaints: dictionaries with at least "line" and "message".
    """

    def __init__(self, complaints):
        super().__init__('\n'.join('Line %(line)s: %(message)s' % complaint
                                   for complaint in complaints))
        self.complaints = complaints


def look(source, name, rules):
    """The tree of a program that keeps to the rules."""
    try:
        tree = ast.parse(source, name)
        found = complaints(tree, rules)
    except Exception as error:
        if 'ragflow' not in rules:
            raise
        if isinstance(error, SyntaxError):
            error.filename = '<unknown>'
        found = [complaint(-1, 'Parsing Error: %s' % error)]
    if found:
        raise Rejected(found[:MOST])
    return tree


def complaints(tree, rules):
    found = []
    if 'ragflow' in rules:
        found += (complaint(line, message) for message, line
                  in ragflow.complaints(tree, rules['ragflow']))
    if rules.keys() & {'imports', 'only', 'calls'}:
        policy = Policy(tree, rules)
        found += sorted(policy.complaints(), key=lambda c: c['line'])
    return found


def complaint(line, message, **members):
    return {'line': line, 'message': message[:TEXT_MAX], **members}


def with_parents(name):
    """Of "a.b.c": "a", "a.b" and itself."""
    parts = name.split('.')
    return {'.'.join(parts[:n + 1]) for n in range(len(parts))}


def constant(call):
    """The first argument of a call, if it is a text."""
    value = getattr(call.args[0], 'value', None) if call.args else None
    return value if isinstance(value, str) else None


class Policy:
    """What an operator has forbidden."""

    def __init__(self, tree, rules):
        self.tree = tree
        self.imports = set(rules.get('imports', ()))
        self.only = set(rules['only']) if 'only' in rules else None
        self.calls = set(rules.get('calls', ()))
        self.names = {}

    def complaints(self):
        """Those of a line are not in order."""
        calls, seen = [], set()
        for node in ast.walk(self.tree):
            for name, whole in self.modules(node):
                denied = self.denied(name, whole)
                if denied and (node.lineno, denied) not in seen:
                    seen.add((node.lineno, denied))
                    yield complaint(
                        node.lineno, 'Import of "%s" is not allowed' % denied,
                        rule='import', name=denied[:TEXT_MAX])
            if isinstance(node, ast.Call):
                calls.append(node)
        for node in calls:
            name = self.path(node.func)
            if name in self.calls:
                yield complaint(
                    node.lineno, 'Call of "%s" is not allowed' % name,
                    rule='call', name=name)
            elif name in ('__import__', 'importlib.import_module'):
                yield from self.call_of_import(node)

    def call_of_import(self, node):
        name = constant(node)
        denied = self.denied(name, name) if name else None
        if denied:
            yield complaint(
                node.lineno, 'Import of "%s" is not allowed' % denied,
                rule='import', name=denied[:TEXT_MAX])

    def modules(self, node):
        """What is imported, as it is named there and with what is taken from
        it; notes what each name then stands for."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split('.')[0]
                self.names[alias.asname or top] = \
                    alias.name if alias.asname else top
                yield alias.name, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                whole = '%s.%s' % (node.module, alias.name)
                self.names[alias.asname or alias.name] = whole
                yield node.module, whole

    def denied(self, name, whole):
        """The name to be told, or None."""
        if with_parents(name) & self.imports:
            return name
        if with_parents(whole) & self.imports:
            return whole
        if self.only is not None and not with_parents(whole) & self.only:
            return name
        return None

    def path(self, node):
        """The full name of what is called: "os.system", also for "o.system"
        after "import os as o"."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        top = self.names.get(node.id, node.id)
        path = '.'.join([top, *reversed(parts)])
        start, _, rest = path.partition('.')
        return rest if rest and start in BUILTINS else path


def tell(error):
    """The program is not run: docs/protocol.md, "@rejected"."""
    if isinstance(error, Rejected):
        put('policy', error.complaints)
    elif isinstance(error, SyntaxError):
        text = error.text or linecache.getline(error.filename, error.lineno)
        put('syntax', [complaint(error.lineno, str(error.msg))],
            column=error.offset, text=text[:TEXT_MAX])
    elif isinstance(error, (RecursionError, MemoryError)):
        put('syntax', [complaint(None, 'too deeply nested')])
    else:
        put('syntax', [complaint(None, str(error))])


def put(kind, found, **members):
    results.put_final('@rejected', results.dumps({
        'kind': kind, 'message': found[0]['message'],
        'line': found[0]['line'], **members, 'lines': found}))
