# A traceback begins in the program
# status: error
# stderr: {"like": "\\ATraceback \\(most recent call last\\):\n  File \"main.py\", line 11, in <module>.*line 9, in f.*ValueError: no", "unlike": "asyncio/|codeexec"}
# shown: {"text": "1"}
# shown: {"@error": {"has": {"name": "ValueError", "value": "no"}, "unlike": "asyncio/"}}
import asyncio
async def f():
    await asyncio.sleep(0)
    raise ValueError('no')
display(1)
await f()
