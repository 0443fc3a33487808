#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab, host side: boots a stock kernel under QEMU's software emulation, runs scripts in it.

usage: run.py [--build DIR] [--disks SPEC] [--timeout S] [--plain] [--slow WHO] SCRIPT [ARG...]
       run.py [--build DIR] [--slow WHO] --all SCRIPT...    several, as many as possible in one boot
       run.py [--disks SPEC] --shell           by hand
--plain shows the script's output and nothing else.
--slow udevd|spared gives one of them a small part of a processor, and all deadlines four times as long: what a script takes
for done when it is only begun shows.

A script may say what it needs in its first lines, as `# lab: key=value ...`:
  timeout=SECONDS   killed and failed after that (default 240)
  disks=nbd:N:SIZE  N disks served by the host, whose faults the script commands (lib/disk.c)
  bus=scsi|nvme     what those disks are to the guest (default scsi)
  block=512|4096    their logical block size
  persist=PERCENT   share of unflushed writes that a power cut leaves on the disk (default 100)
  mem=SIZE          the guest's memory (default 2G)
  module=FOLDER     a kernel module of ours, built for the lab's kernel: /results/bin/<its name>.ko
  manual            not part of "all tests": ./dev test leaves it out
  system=debian     a whole Debian with systemd (lib/debian.sh) instead of the host's root; spared is installed in it
  alone             a boot of its own; scripts with disks have one anyway
Scripts print "ok - ..." and "not ok - ..." lines (lib/lab.sh), which are counted here.
"""
import argparse
import fcntl
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

REPO = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
LIB = os.path.join(REPO, "tests/lab/lib")
OUT = os.path.join(REPO, "build/lab")
BOOT_TIMEOUT = 90
SLOWER = 4          # as in lib/lab.sh
SILENT = "the guest said nothing"
DEAD = "the guest does not answer SysRq either"
DEAD_TIMES = 2      # a script is begun anew: seen once, amid a script, with no sign of it on the console
SILENT_BOOTS = 2    # are tried again: seen once in some hundred, no line on the console, no script begun
MARK = "\x1elab "


class Output:
    plain = False


def say(text):
    """About the lab itself: in a plain run only trouble is of interest."""
    print(text, file=sys.stderr if Output.plain else sys.stdout, flush=True)


def tell(text):
    if not Output.plain:
        say(text)


class Script:
    def __init__(self, path, args, disks=None, timeout=None, slow=None):
        self.path = os.path.realpath(path)
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.args = args
        self.opts = {"timeout": "240", "bus": "scsi", "block": "512", "persist": "100",
                     "mem": "2G"}
        with open(self.path, encoding="utf-8") as f:
            for line in list(f)[:30]:
                m = re.match(r"#\s*lab:\s*(.*)", line)
                for word in m.group(1).split() if m else ():
                    key, _, value = word.partition("=")
                    self.opts[key] = value or "yes"
        if disks:
            self.opts["disks"] = disks
        if timeout:
            self.opts["timeout"] = timeout
        self.timeout = float(self.opts["timeout"]) * (SLOWER if slow else 1)
        self.deaths = 0
        self.begin()

    def begin(self):
        self.passed = self.failed = self.skipped = 0
        self.problem = None
        self.seconds = 0.0
        self.done = False

    def alone(self):
        return bool({"disks", "alone", "system"} & set(self.opts)) or self.opts["mem"] != "2G"

    def result(self):
        if self.problem is None and not self.failed:
            return "passed"
        return "FAILED" + (f" ({self.problem})" if self.problem else "")


class Disks:
    """Files on the host, each behind an nbdkit of its own, which can fail, hang, and lose power."""

    def __init__(self, script, tmp):
        self.tmp, self.opts, self.procs = tmp, script.opts, []
        kind, count, size = script.opts["disks"].split(":")
        if kind != "nbd":
            raise SystemExit(f"{script.path}: disks={kind}:... is not known, only nbd")
        self.count = int(count)
        self.dir = os.path.join(OUT, script.name)
        self.ctl = os.path.join(OUT, "ctl")
        self.pulled = set()
        self.plugin = build(os.path.join(LIB, "disk.c"), "disk.so", ["-shared", "-fPIC"])
        for n in range(1, self.count + 1):
            with open(self.image(n), "wb") as f:
                f.truncate(bytes_of(size))

    def image(self, n):
        return os.path.join(self.dir, f"disk{n}.img")

    def start(self):
        for n in range(1, self.count + 1):
            sock = f"{self.tmp}/d{n}"
            if os.path.exists(sock):
                os.unlink(sock)
            self.procs.append(subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "nbdkit", "-f", "-U", sock, self.plugin, f"file={self.image(n)}",
                 f"faults={self.ctl}/disk{n}", f"log={self.ctl}/disk{n}.log",
                 f"persist={self.opts['persist']}"]))
        for n in range(1, self.count + 1):
            wait_until(lambda: os.path.exists(f"{self.tmp}/d{n}"), 10, "nbdkit")

    def stop(self):
        for p in self.procs:
            p.kill()
            p.wait()
        self.procs = []

    def device(self, n):
        bus = {"scsi": {"driver": "scsi-hd", "bus": "s0.0", "scsi-id": n, "lun": 0,
                        "wwn": 0x5000c50000000000 + n},
               "nvme": {"driver": "nvme"}}[self.opts["bus"]]
        block = int(self.opts["block"])
        errors = {"rerror": "report", "werror": "report"} if "wwn" in bus else {}
        return {**bus, **errors, "id": f"disk{n}", "serial": f"LAB{n:03d}", "drive": f"n{n}",
                "logical_block_size": block, "physical_block_size": block}

    def arguments(self):
        args = ["-device", "virtio-scsi-pci,id=s0"] if self.opts["bus"] == "scsi" else []
        for n in range(1, self.count + 1):
            args += ["-blockdev", json.dumps({
                "driver": "nbd", "node-name": f"n{n}",
                "server": {"type": "unix", "path": f"{self.tmp}/d{n}"}})]
            if n not in self.pulled:
                args += ["-device", json.dumps(self.device(n))]
        return args


def bytes_of(size):
    return int(size[:-1]) << {"K": 10, "M": 20, "G": 30}[size[-1]]


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"lab: {what} did not start")
        time.sleep(0.01)


def build(source, name, flags, packages=()):
    """Small helpers of the lab itself are built here, so that the lab needs no build of the project."""
    target = os.path.join(OUT, "bin", name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        libs = []
        if packages:
            libs = subprocess.check_output(["pkg-config", "--cflags", "--libs", *packages],
                                           text=True).split()
        subprocess.check_call(["gcc", "-std=c17", "-O2", "-g", "-Wall", "-Wextra", *flags,
                               "-o", target + ".new", source, *libs])
        os.replace(target + ".new", target)
    return target


def build_module(folder):
    source = os.path.join(REPO, folder)
    target = os.path.join(OUT, "bin", os.path.basename(folder) + ".ko")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    subprocess.check_call([os.path.join(LIB, "kernel.sh"), "--module", source, target])


class Cut(Exception):
    """The script asked for a power cut."""


class Debian:
    """A guest that boots as a machine does: its own root file system, which lives until the script has ended."""

    def __init__(self, script, build):
        self.dir = os.path.join(OUT, script.name)
        subprocess.check_call([os.path.join(LIB, "debian.sh"), self.dir,
                               *(os.path.join(build, "bin", p) for p in ("spared", "sparectl"))])
        shutil.rmtree(os.path.join(OUT, "stage"), ignore_errors=True)
        subprocess.check_call(["cmake", "--install", build], stdout=subprocess.DEVNULL,
                              env={**os.environ, "DESTDIR": os.path.join(OUT, "stage")})

    def arguments(self):
        return ["-initrd", os.path.join(self.dir, "initrd.img"),
                "-drive", f"file={self.dir}/root.img,format=raw,if=virtio,cache=unsafe",
                "-virtfs", f"local,path={REPO},mount_tag=repo,security_model=none,readonly=on,multidevs=remap"]

    def close(self):
        os.unlink(os.path.join(self.dir, "root.img"))


class VM:
    def __init__(self, kernel, scripts, args):
        self.kernel, self.scripts, self.args = kernel, scripts, args
        self.tmp = tempfile.mkdtemp(prefix="spared-lab.")
        self.disks = self.debian = None
        self.current = None
        self.again = False      # the guest asked for another boot, when it has ended this one
        self.console = os.path.join(OUT, "console.log")
        self.buf = {"out": b"", "ctl": b"", "qmp": b""}
        self.qemu = None
        self.finished = False

    # -- QEMU ------------------------------------------------------------------------------

    def start(self, boot):
        if self.disks:
            self.disks.start()
        todo = os.path.join(OUT, ".run")
        shutil.rmtree(todo, ignore_errors=True)
        os.makedirs(todo)
        for i, s in enumerate(self.scripts):
            if not s.done:
                with open(f"{todo}/{i:03d}", "w", encoding="utf-8") as f:
                    f.write("\0".join([s.name, s.path, *s.args]) + "\0")
        listeners = {}
        for name in ("out", "ctl", "qmp"):
            path = f"{self.tmp}/{name}"
            if os.path.exists(path):
                os.unlink(path)
            listeners[name] = socket.socket(socket.AF_UNIX)
            listeners[name].bind(path)
            listeners[name].listen(1)
        shell = self.args.shell
        tree = os.path.join(self.kernel, "tree/lib/modules")
        # norandmaps: emulated code is translated per address, so that programs which lie where they
        # lay last time start four times as fast.
        words = ["console=ttyS0", "quiet", "panic=-1", "mitigations=off", "norandmaps", "sysrq_always_enabled", "random.trust_cpu=on",
                 "no_timer_check", "modprobe.blacklist=ata_piix,floppy,parport_pc,bochs,psmouse,pcspkr,joydev",
                 f"lab.init={LIB}/init.sh", f"lab.repo={REPO}", f"lab.modules={tree}",
                 f"lab.boot={boot}", f"lab.build={self.args.build}",
                 f"lab.mode={'shell' if shell else 'run'}"]
        if self.disks:
            words.append("lab.drivers=" + {"scsi": "virtio_scsi,sd_mod", "nvme": "nvme"}[
                self.disks.opts["bus"]])
        if self.args.slow:
            words.append(f"lab.slow={self.args.slow}")
        if self.debian:
            words += ["root=/dev/vda", "rw", "init=/lab-init"]
        console = "stdio,id=con,signal=off" if shell else f"file,id=con,path={self.console},append=on"
        command = [
            # A guest must not outlive the one who watches it.
            "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2",
            "-m", self.scripts[0].opts["mem"] if self.scripts else "2G",
            "-machine", "pc,hpet=off", "-nodefaults", "-nic", "none", "-display", "none", "-no-reboot",
            "-kernel", os.path.join(self.kernel, "vmlinux"),
            "-append", " ".join(words),
            "-virtfs", f"local,path={OUT},mount_tag=results,security_model=none,multidevs=remap",
            "-device", "virtio-rng-pci",
            "-chardev", console, "-serial", "chardev:con",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=out,path={self.tmp}/out",
            "-device", "virtserialport,chardev=out,name=lab.out",
            "-chardev", f"socket,id=ctl,path={self.tmp}/ctl",
            "-device", "virtserialport,chardev=ctl,name=lab.ctl",
            "-chardev", f"socket,id=qmp,path={self.tmp}/qmp", "-mon", "chardev=qmp,mode=control",
        ] + (self.debian.arguments() if self.debian else [
            "-initrd", os.path.join(OUT, "initrd"),
            "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
        ]) + (self.disks.arguments() if self.disks else [])
        # What QEMU has to say goes with the console: mostly the faults that a script asked for.
        errors = None if shell else open(self.console, "a", encoding="utf-8")
        self.qemu = subprocess.Popen(command, stdin=None if shell else subprocess.DEVNULL, stderr=errors)
        self.socks = {}
        for name, l in listeners.items():
            l.settimeout(20)
            self.socks[name], _ = l.accept()
            l.close()
        self.buf = {"out": b"", "ctl": b"", "qmp": b""}
        self.qmp_command("qmp_capabilities")

    def kill(self):
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait()
            for s in self.socks.values():
                s.close()
        self.qemu = None

    def close(self):
        self.kill()
        if self.disks:
            self.disks.stop()
        if self.debian:
            self.debian.close()
        shutil.rmtree(self.tmp, ignore_errors=True)

    def qmp_read(self, wanted, seconds):
        """Reads QMP messages until one of them is what is waited for."""
        end = time.monotonic() + seconds
        while True:
            while b"\n" in self.buf["qmp"]:
                line, self.buf["qmp"] = self.buf["qmp"].split(b"\n", 1)
                message = json.loads(line)
                if wanted(message):
                    return message
            self.socks["qmp"].settimeout(max(0.01, end - time.monotonic()))
            data = self.socks["qmp"].recv(65536)
            if not data:
                raise OSError("QMP closed")
            self.buf["qmp"] += data

    def qmp_command(self, name, arguments=None):
        request = {"execute": name, **({"arguments": arguments} if arguments else {})}
        self.socks["qmp"].sendall(json.dumps(request).encode() + b"\n")
        answer = self.qmp_read(lambda m: "return" in m or "error" in m, 20)
        if "error" in answer:
            raise ValueError(answer["error"]["desc"])

    def blocked_tasks(self):
        """Before a guest that hangs is killed: SysRq w has it say where (on its console). False: it says nothing, so
        that what hangs is the emulator, or both of its processors."""
        before = os.path.getsize(self.console)
        try:
            for key in "9", "w":    # 9: let the console have it
                self.qmp_command("send-key", {"keys": [
                    {"type": "qcode", "data": k} for k in ("alt", "sysrq", key)]})
                time.sleep(1)
        except (OSError, ValueError):
            pass
        return os.path.getsize(self.console) > before

    # -- what the guest asks for --------------------------------------------------------------

    def control(self, line):
        verb, *words = line.split()
        try:
            if verb == "cut":
                raise Cut
            if verb == "reboot":
                self.again = True
            elif verb == "pull":
                self.qmp_command("device_del", {"id": f"disk{words[0]}"})
                self.qmp_read(lambda m: m.get("event") == "DEVICE_DELETED" and
                              m["data"].get("device") == f"disk{words[0]}", 30)
                self.disks.pulled.add(int(words[0]))
            elif verb == "plug":
                self.qmp_command("device_add", self.disks.device(int(words[0])))
                self.disks.pulled.discard(int(words[0]))
            else:
                raise ValueError(f"unknown request {verb}")
            answer = "ok"
        except (ValueError, OSError) as e:
            answer = f"error {e}"
        self.socks["ctl"].sendall(answer.encode() + b"\n")

    def output(self, line):
        if line.startswith(MARK):
            verb, *words = line[len(MARK):].split()
            if verb == "begin":
                self.current = next(s for s in self.scripts if s.name == words[0])
                self.began = time.monotonic()
                self.log = open(os.path.join(OUT, words[0], "log"), "a", encoding="utf-8")
                tell(f"--- {words[0]}")
            elif verb == "end":
                if words[1] != "0" and not self.current.failed:
                    self.current.problem = f"exit status {words[1]}"
                self.finish()
            elif verb == "dirty":
                say(f"    (left the guest unclean: {' '.join(words)}; the rest gets a new one)")
            elif verb == "off":
                self.finished = True
            return
        s = self.current
        if s is not None:
            if re.match(r"ok\b.*# skip", line, re.I):
                s.skipped += 1
            elif re.match(r"ok\b", line):
                s.passed += 1
            elif re.match(r"not ok\b", line):
                s.failed += 1
            self.log.write(f"{time.monotonic() - self.began:7.2f}  {line}\n")
            self.log.flush()
        print(line if Output.plain or not line else "    " + line, flush=True)

    def finish(self, problem=None):
        s, self.current = self.current, None
        if problem:
            s.problem = problem
        s.seconds += time.monotonic() - self.began
        s.done = True
        self.log.close()
        tell(f"--- {s.name}: {s.result()}, {s.passed} ok, {s.failed} not ok, "
            f"{s.skipped} skipped, {s.seconds:.1f} s")

    def watch(self):
        """Until the power is off, asked for or not, or the current script's time is over."""
        sel = selectors.DefaultSelector()
        for name in ("out", "ctl"):
            self.socks[name].setblocking(True)
            sel.register(self.socks[name], selectors.EVENT_READ, name)
        booted = time.monotonic()
        while True:
            now = time.monotonic()
            if self.current:
                left = self.began + self.current.timeout - now
            else:
                left = booted + BOOT_TIMEOUT - now
            if left <= 0:
                answers = self.blocked_tasks()
                if not self.current:
                    return SILENT
                return "timeout" if answers else DEAD
            for key, _ in sel.select(min(left, 1.0)):
                data = key.fileobj.recv(65536)
                if not data:
                    sel.unregister(key.fileobj)
                    continue
                lines = (self.buf[key.data] + data).split(b"\n")
                self.buf[key.data] = lines.pop()
                for line in lines:
                    text = line.decode("utf-8", "replace").rstrip("\r")
                    if key.data == "ctl":
                        self.control(text)
                    else:
                        self.output(text)
                if key.data == "out":
                    booted = time.monotonic()
            if self.qemu.poll() is not None or not sel.get_map():
                if self.again:
                    raise Cut
                return None if self.finished else "the guest died"

    def run(self):
        """Runs the scripts; returns those that still want a boot."""
        boot, silent, want = 1, 0, [s for s in self.scripts if not s.done]
        for s in want:
            shutil.rmtree(os.path.join(OUT, s.name), ignore_errors=True)
            os.makedirs(os.path.join(OUT, s.name))
        shutil.rmtree(os.path.join(OUT, "ctl"), ignore_errors=True)
        os.makedirs(os.path.join(OUT, "ctl"))
        open(self.console, "w", encoding="utf-8").close()
        if want and "disks" in want[0].opts:
            self.disks = Disks(want[0], self.tmp)
        if want and "system" in want[0].opts:
            self.debian = Debian(want[0], self.args.build)
        while True:
            problem = None
            try:
                self.start(boot)
                problem = self.watch()
            except Cut:
                self.kill()
                if self.disks:
                    self.disks.stop()
                    if not self.again:
                        self.disks.pulled.clear()
                boot += 1
                tell(f"    ({'' if self.again else 'power cut; '}boot {boot})")
                self.again = False
                self.current.seconds += time.monotonic() - self.began
                self.log.close()
                self.current = None
                continue
            except OSError as e:
                problem = f"QEMU: {e}"
            self.kill()
            if problem != SILENT or silent == SILENT_BOOTS:
                break
            silent += 1
            say("lab: " + SILENT + ": it is booted again")
            if self.disks:
                self.disks.stop()
        if problem == DEAD and self.current.deaths < DEAD_TIMES:
            self.current.deaths += 1
            self.current.begin()
            self.log.close()
            say(f"lab: {DEAD}: {self.current.name} is begun anew")
            return [s for s in want if not s.done]
        if problem:
            say(f"lab: {problem}; the console's last lines:")
            with open(self.console, encoding="utf-8", errors="replace") as f:
                for line in f.read().splitlines()[-40:]:
                    say("    | " + line)
            for s in want:
                if self.current is None and not s.done:
                    self.began, self.current = time.monotonic(), s
                    self.log = open(os.devnull, "w", encoding="utf-8")
                    break
            if self.current:
                self.finish(problem)
        if want:
            shutil.copy(self.console, os.path.join(OUT, want[0].name, "console.log"))
        return [s for s in want if not s.done]

    def shell(self):
        os.makedirs(os.path.join(OUT, "shell"), exist_ok=True)
        os.makedirs(os.path.join(OUT, "ctl"), exist_ok=True)
        if self.args.disks:
            script = Script(os.path.join(LIB, "lab.sh"), [], disks=self.args.disks)
            script.name = "shell"
            self.disks = Disks(script, self.tmp)
        with open(os.path.join(OUT, ".tty"), "w", encoding="utf-8") as f:
            size = shutil.get_terminal_size()
            f.write(f"{size.lines} {size.columns}\n")
        self.start(1)
        sel = selectors.DefaultSelector()
        sel.register(self.socks["ctl"], selectors.EVENT_READ)
        while self.qemu.poll() is None:
            for _ in sel.select(0.5):
                data = self.socks["ctl"].recv(65536)
                if not data:
                    return
                for line in data.decode().splitlines():
                    self.control(line)


def lock():
    """One VM at a time: two emulated CPUs each would only make all of them miss their deadlines."""
    f = os.fdopen(os.open("/tmp/spared-lab.lock", os.O_RDONLY | os.O_CREAT, 0o644))
    try:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("lab: waiting for another lab to end")
        fcntl.flock(f, fcntl.LOCK_EX)
    return f


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--shell", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--build", default=os.path.join(REPO, "build/release"))
    parser.add_argument("--disks")
    parser.add_argument("--timeout")
    parser.add_argument("--slow", choices=["udevd", "spared"])
    parser.add_argument("words", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    args.build = os.path.realpath(args.build)
    Output.plain = args.plain
    if not args.words and not args.shell:
        parser.error("which script?")
    if args.all:
        scripts = [Script(w, [], timeout=args.timeout, slow=args.slow) for w in args.words]
    else:
        scripts = [Script(args.words[0], args.words[1:], args.disks, args.timeout, args.slow)] if args.words else []

    if re.search(r"\s", REPO):
        raise SystemExit(f"lab: a path with blanks cannot be given to a kernel: {REPO}")
    os.makedirs(OUT, exist_ok=True)
    os.makedirs(args.build, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    held = lock()
    build(os.path.join(REPO, "tests/lab/writer.c"), "lab_writer", ["-pthread"])
    kernel = subprocess.check_output(
        [os.path.join(LIB, "kernel.sh"), os.path.join(OUT, "initrd")], text=True).strip()
    for folder in sorted({s.opts["module"] for s in scripts if "module" in s.opts}):
        build_module(folder)
    started = time.monotonic()
    if args.shell:
        vm = VM(kernel, [], args)
        try:
            vm.shell()
        finally:
            vm.close()
        return 0

    groups = [[s] for s in scripts if s.alone()]
    together = [s for s in scripts if not s.alone()]
    if together:
        groups.append(together)
    for group in groups:
        while group:
            vm = VM(kernel, group, args)
            try:
                group = vm.run()
            finally:
                vm.close()
    held.close()

    for s in scripts:
        if s.problem and not s.failed:
            s.failed += 1   # a script that died or hung counts as one failure, whatever it had shown
    total = {k: sum(getattr(s, k) for s in scripts) for k in ("passed", "failed", "skipped")}
    with open(os.path.join(OUT, "summary.json"), "w", encoding="utf-8") as f:
        json.dump({**total, "scripts": [
            {"name": s.name, "result": s.result(), "seconds": round(s.seconds, 1), "passed": s.passed,
             "failed": s.failed, "skipped": s.skipped} for s in scripts]}, f, indent=1)
    if len(scripts) > 1:
        say("")
        for s in scripts:
            say(f"{s.seconds:7.1f} s  {s.name}: {s.result()}")
    tell(f"lab: {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped "
        f"({time.monotonic() - started:.0f} s)")
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
