# A form that fails is told, and the others are there
# stdout: "on\n"
# stderr: {"like": "line 12, in _repr_html_.*ZeroDivisionError.*line 13, in __repr__\\n.*KeyError: 'r'", "unlike": "display.py|codeexec"}
# shown: {"text": "<Bad>", "latex": "$x$"}
# shown: {"text": "All"}
# shown: {"text": "<class '__main__.Bad'>"}



class Bad:
    def _repr_latex_(self): return '$x$'
    def _repr_html_(self): return 1 / 0
    def __repr__(self): raise KeyError('r')
class All:
    def __repr__(self): return 'All'
    def __getattr__(self, name): return lambda *args, **options: 'anything'
display(Bad(), All(), Bad)
print('on')
