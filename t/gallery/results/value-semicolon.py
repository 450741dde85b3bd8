# options: {"last_value": true}
# stdout: "['A', 'display', 'f']\n"
class A: pass
def f():
    return 2
print(sorted(set(n for n in [*globals(), *dir(__builtins__)] if n in ('A', 'f', 'display') or '<' in n)))
(f()) ;  # not shown
