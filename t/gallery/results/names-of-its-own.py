# A name that the program sets first is not imported; one that it reads is
# options: {"imports": {"px": "wave", "go": "wave", "re": "re", "io": "io", "sys": "sys", "json": "json", "string": "string", "np": "wave", "wv": "wave", "un": "wave"}}
# stdout: "7 False True <x> True True\n"
px, go = 3, 4


def total():
    return px + go


class Of:
    text = io.StringIO('<x>')
    un = wv = 1

    def use(self, un):
        return self.wv + un


def lazy():
    return [json for _ in 'a']


for string in string.__name__, 'x':
    pass
Of.wv = Of().use(1)
print(total(), 'wave' in sys.modules, bool(re.match('a', 'a')),
      Of.text.read(), lazy()[0].dumps(1) == '1', string == 'x')
'np'
np = None
