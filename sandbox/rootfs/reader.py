# Copyright (C) The codeexec authors.
"""Configuration files: NAME = VALUE and NAME = {VALUE, ...}."""

import re

from process import Failure

TOKEN = re.compile(r'''
    (?P<blank>   [ \t\r]+ | \#[^\n]* )
  | (?P<newline> \n )
  | (?P<string>  "(?:\\.|[^"\\\n])*" )
  | (?P<sign>    \+= | [={},] )
  | (?P<word>    [^\s={},"#]+ )
''', re.VERBOSE)


class Reader:
    """Tokens of a file, the line of the next one, and what to do about them."""

    def __init__(self, path, text):
        self.path = path
        self.tokens = []
        line, position = 1, 0
        while position < len(text):
            match = TOKEN.match(text, position)
            self.line = line
            if not match:
                self.fail('cannot read from %.20r on' % text[position:])
            if match.lastgroup not in ('blank', 'newline'):
                self.tokens.append((line, match.lastgroup, match.group()))
            line += match.lastgroup == 'newline'
            position = match.end()
        self.tokens.reverse()

    def fail(self, text):
        raise Failure('%s:%d: %s' % (self.path, self.line, text))

    def take(self, *kinds):
        if not self.tokens:
            self.fail('the end is missing')
        self.line, kind, text = self.tokens.pop()
        if kind not in kinds and text not in kinds:
            self.fail('unexpected "%s"' % text.strip('"'))
        if kind == 'string':
            return re.sub(r'\\(.)', r'\1', text[1:-1])
        return text

    def take_list(self):
        items = []
        self.take('{')
        while self.tokens and self.tokens[-1][2] != '}':
            items.append(self.take('string', 'word'))
            if self.tokens and self.tokens[-1][2] != '}':
                self.take(',')
        self.take('}')
        return items


def read_option(reader, options, defaults, words):
    name = reader.take('word')
    if name not in defaults:
        reader.fail('unknown option "%s"' % name)

    if isinstance(defaults[name], list):
        sign = reader.take('=', '+=')
        values = reader.take_list()
        options[name] = (options[name] if sign == '+=' else []) + values
    else:
        reader.take('=')
        options[name] = reader.take('string', 'word')
        values = [options[name]]

    for value in values:
        if not re.fullmatch(words[name], value):
            reader.fail('"%s" is no good value for "%s"' % (value, name))


def load(path, defaults, words):
    """Values by name; words are what one, or each of a list, must look like."""
    with open(path, encoding='utf-8') as file:
        reader = Reader(path, file.read())

    options = dict(defaults)
    while reader.tokens:
        read_option(reader, options, defaults, words)
    return options
