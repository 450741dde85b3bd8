"""What the benchmarks share: the private instance, and the machine it is on."""

import os
import platform
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.environ["BUILD"]
TOOLS = BUILD + "/bench"
PORT = int(os.environ.get("PORT") or 18080)
QUICK = bool(os.environ.get("QUICK"))
CORES = os.cpu_count()


def command(*args, **kwargs):
    done = subprocess.run(args, stdout=subprocess.PIPE, text=True, **kwargs)
    if done.returncode:
        sys.exit(f"{args[0]} failed")
    return done.stdout


def parse(text):
    """Of what spawn, floor and load print: microseconds of each, and the
    whole in seconds."""
    *runs, last = text.split("\n")[:-1]
    return [int(run) for run in runs], int(last.split()[1]) / 1e6


def load(port, at_once, seconds, request, expected):
    return parse(command(TOOLS + "/load", str(port), str(at_once),
                         str(seconds), request, expected))


def instance(action, work, **environment):
    env = dict(os.environ, RUN=f"{work}/run", PORT=str(PORT), HOST="127.0.0.1",
               **environment)
    done = subprocess.run([f"{HERE}/../tools/instance", action], env=env,
                          stdout=subprocess.DEVNULL)
    if done.returncode and action == "start":
        sys.exit("codeexec did not start")


def logs(work, *names):
    subprocess.run(["tail", "-n", "5", *(f"{work}/{name}" for name in names)],
                   stdout=sys.stderr)


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":")[1].strip() for line in f
                    if line.startswith("model name")), platform.machine())
    return (f"{CORES} cores ({cpu}), Linux {platform.release().split('-')[0]}, "
            f"Python {platform.python_version()}")
