# Copyright (C) The codeexec authors.
"""The rules that RAGFlow's sandbox has for Python programs, with its texts and
in its order; the later ones, "c", or those of its first versions, "a".

They are no policy of ours: 1 + 1 is against them.
"""

import ast

MODULES = frozenset((
    'os', 'subprocess', 'sys', 'shutil', 'socket', 'ctypes', 'pickle',
    'threading', 'multiprocessing', 'asyncio', 'http.client', 'ftplib',
    'telnetlib'))

# A name without a dot is all that they are compared with.
CALLS = frozenset((
    'eval', 'exec', 'open', '__import__', 'compile', 'input', 'system',
    'popen', 'remove', 'rename', 'rmdir', 'chdir', 'chmod', 'chown',
    'getattr', 'setattr', 'globals', 'locals', 'ctypes'))


def called(node):
    """The name of a dangerous function that is called by it, or None."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) \
            and node.func.id in CALLS:
        return node.func.id
    return None


class Rules:
    """One method for each kind of node: texts, or nodes to be visited before
    the others below it."""

    def __init__(self, late):
        self.late = late
        self.modules = MODULES | {'builtins'} if late else MODULES

    def Import(self, node):
        for alias in node.names:
            if alias.name.split('.')[0] in self.modules:
                yield 'Import: ' + alias.name

    def ImportFrom(self, node):
        if node.module and node.module.split('.')[0] in self.modules:
            yield 'From Import: ' + node.module

    def Call(self, node):
        if called(node):
            yield 'Call: ' + called(node)
        elif self.late and isinstance(node.func, ast.Attribute) \
                and node.func.attr in CALLS:
            yield 'Call: ' + node.func.attr

    def Attribute(self, node):
        if isinstance(node.value, ast.Name) and node.value.id in self.modules:
            yield 'Attribute Access: %s.%s' % (node.value.id, node.attr)

    def BinOp(self, node):
        if isinstance(node.left, ast.Constant) \
                and isinstance(node.right, ast.Constant):
            yield 'Possible unsafe string concatenation'

    def FunctionDef(self, node):
        if node.name in CALLS:
            yield 'Function Definition: ' + node.name

    def Assign(self, node):
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id in CALLS:
                yield 'Assignment to dangerous variable: ' + target.id

    def Lambda(self, node):
        if called(node.body):
            yield 'Lambda with dangerous function call'

    def ListComp(self, node, kind='List'):
        # What it goes through is visited again with the rest.
        for generator in node.generators:
            yield from ast.iter_child_nodes(generator)
        if called(node.elt):
            yield kind + ' comprehension with dangerous function call'

    def SetComp(self, node):
        yield from self.ListComp(node, 'Set')

    def DictComp(self, node):
        for part in 'key', 'value':
            if called(getattr(node, part)):
                yield 'Dict comprehension with dangerous function call in ' \
                    + part

    def Yield(self, node):
        if node.value is not None and called(node.value):
            yield 'Yield with dangerous function call'


def complaints(tree, generation):
    """Texts and lines.  Without recursion, as a tree may be deep."""
    rules = Rules(generation != 'a')
    todo = [(tree, 0)]
    while todo:
        item, line = todo.pop()
        if isinstance(item, str):
            yield item, line
            continue
        line = getattr(item, 'lineno', line)
        rule = getattr(rules, type(item).__name__, None)
        steps = list(rule(item)) if rule else []
        steps += ast.iter_child_nodes(item)
        todo += ((step, line) for step in reversed(steps))
