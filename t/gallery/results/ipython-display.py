# An object that shows itself, in its own way
# shown: {"text": "'shown'"}
# shown: {"text": "B"}
class A:
    def _ipython_display_(self): display('shown')
class B:
    def __repr__(self): return 'B'
    def _ipython_display_(self): raise NotImplementedError
display(A(), B())
