# Top-level await, and the value of one
# options: {"last_value": true}
# stdout: "1\n[2, 3]\n"
# shown: {"text": "4", "@main": ""}
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x
print(await f(1))
async def g():
    yield await f(2)
    yield await f(3)
print([x async for x in g()])
await f(4)
