# Tasks, time-outs, queues, subprocesses, threads, unix sockets, signals.

import asyncio
import os
import signal


async def tick(n):
    await asyncio.sleep(0.01 * (3 - n))
    return n


async def echo(reader, writer):
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()


async def main():
    print(await asyncio.gather(*(tick(n) for n in range(3))))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(tick(n)) for n in range(2)]
    print([task.result() for task in tasks])
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(30)
    except TimeoutError:
        print('late')

    child = await asyncio.create_subprocess_exec(
        'tr', 'a-z', 'A-Z', stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE)
    print(await child.communicate(b'text'), child.returncode)
    child = await asyncio.create_subprocess_shell('kill -9 $$')
    print(await child.wait())

    server = await asyncio.start_unix_server(echo, 'socket')
    reader, writer = await asyncio.open_unix_connection('socket')
    writer.write(b'line\n')
    print(await reader.readline())
    writer.close()
    server.close()

    print(await asyncio.to_thread(sum, range(10)))
    queue = asyncio.Queue()
    await queue.put(1)
    print(await queue.get())
    rang = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, rang.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    print(await asyncio.wait_for(rang.wait(), 20))
    try:
        await asyncio.open_connection('127.0.0.1', 80)
    except OSError as error:
        print('OSError')


asyncio.run(main())
