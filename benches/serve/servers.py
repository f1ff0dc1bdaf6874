"""The servers that run.py measures, and what loads them: wrk, h2load, and an open-loop generator of its own.

  python3 benches/serve/servers.py URL BODY CONTENT_TYPE RATE SECONDS CONNECTIONS     (the open-loop generator)
"""
import csv, http.client, json, math, os, re, select, signal, socket, subprocess, sys, tempfile, time
import urllib.error, urllib.request

CORES = os.cpu_count()
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Server:
    """A program in a session of its own, on a port of loopback."""

    def __init__(self, name, command, port, ready, env=None):
        self.name, self.command, self.port, self.ready = name, command, port, ready
        self.env, self.process = dict(os.environ, **(env or {})), None

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def start(self, patience=90):
        """Seconds until `ready` answered 200."""
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                sys.exit(f"port {self.port} is taken")
        began = time.perf_counter()
        null = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, env=self.env, stdout=null, stderr=null, start_new_session=True)
        while time.perf_counter() - began < patience:
            if self.process.poll() is not None:
                break
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", self.ready)
                if connection.getresponse().status == 200:
                    return time.perf_counter() - began
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.001)
        self.stop()
        raise OSError(f"{self.name} does not start: {' '.join(self.command)}")

    def stop(self):
        if self.process:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.process.pid, number)
                    self.process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
            self.process = None

    def _stat(self):
        """/proc/PID/stat of every process of the session, from the state on."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid:
                yield fields

    def cpu(self):
        """CPU seconds so far."""
        return sum(int(fields[11]) + int(fields[12]) for fields in self._stat()) / TICKS

    def memory(self):
        """Resident MB."""
        return sum(int(fields[21]) for fields in self._stat()) * PAGE / 1e6


class Request:
    """What is asked of a server: a path and a file of the folder."""

    def __init__(self, server, path, folder, body, kind="application/json", more=None):
        self.server, self.path, self.file = server, path, os.path.join(folder, body)
        self.headers = {"Content-Type": kind, **(more or {})}
        if os.path.exists(self.file + ".headers"):
            with open(self.file + ".headers") as file:
                self.headers.update(json.load(file))

    def body(self):
        with open(self.file, "rb") as file:
            return file.read()

    def send(self):
        """Status and reply of one request; 0 where there is none."""
        request = urllib.request.Request(self.server.url(self.path), self.body(), self.headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()

    def wrk(self, connections, seconds):
        """Closed loop: requests per second, p50 and p99 in ms, errors, and the share of the CPU that others used."""
        headers = "".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}\n" for k, v in self.headers.items())
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(
                f"local f = io.open({json.dumps(self.file)}, 'rb'); wrk.body = f:read('*a'); f:close()\n"
                f"wrk.method = 'POST'\n{headers}"
                "done = function(s, l) local e = s.errors; io.write(string.format('JSON [%d,%d,%d,%d,%d,%d]\\n', s.requests,"
                " s.duration, e.status, e.connect + e.read + e.write + e.timeout, l:percentile(50), l:percentile(99))) end\n")
            script.flush()
            command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", script.name]
            with Others(self.server) as others:
                out = subprocess.run(command + [self.server.url(self.path)], capture_output=True, text=True, check=True).stdout
        requests, us, refused, broken, p50, p99 = json.loads(re.search(r"^JSON (.*)$", out, re.M).group(1))
        return dict(rps=(requests - refused) / us * 1e6, p50_ms=p50 / 1e3, p99_ms=p99 / 1e3, refused=refused, broken=broken,
                    others=others.share)

    def h2load(self, connections, seconds):
        """Closed loop with the status of every request."""
        with tempfile.NamedTemporaryFile("r") as log:
            command = ["h2load", "--h1", "-t1", f"-c{connections}", f"-D{seconds}", "-d", self.file, f"--log-file={log.name}"]
            command += [part for name, value in self.headers.items() for part in ("-H", f"{name}: {value}")]
            with Others(self.server) as others:
                try:
                    command += [self.server.url(self.path)]
                    subprocess.run(command, capture_output=True, check=True, timeout=seconds + 10)
                except subprocess.TimeoutExpired:
                    pass  # h2load 1.52 may not end where the server closes connections; its log is whole lines up to then
            lines = [line.split() for line in log if line.count("\t") > 1 and line.endswith("\n")]
        return dict(answers([(int(status), int(us) / 1e3) for _, status, us, *_ in lines], seconds), others=others.share)

    def open_loop(self, rate, seconds, connections):
        """Open loop, in a process of its own: see below."""
        command = [sys.executable, __file__, self.server.url(self.path), self.file, self.headers["Content-Type"]]
        with Others(self.server) as others:
            out = subprocess.run(command + [str(rate), str(seconds), str(connections)], capture_output=True, text=True, check=True)
        return dict(json.loads(out.stdout), others=others.share)


class Others:
    """The share of the machine's CPU that programs used which are neither the server nor its load."""

    def __init__(self, server):
        self.server = server

    def _now(self):
        with open("/proc/stat") as file:
            ticks = [int(field) for field in file.readline().split()[1:9]]
        mine = sum(os.times()[:4]) + self.server.cpu()
        return time.perf_counter(), (sum(ticks) - ticks[3] - ticks[4]) / TICKS - mine

    def __enter__(self):
        self.began = self._now()
        return self

    def __exit__(self, *_):
        (began, before), (ended, after) = self.began, self._now()
        self.share = max(0.0, (after - before) / (ended - began) / CORES)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, math.ceil(share * len(values)) - 1)] if values else None


def answers(answered, seconds):
    """Figures of pairs of status and ms."""
    accepted = [ms for status, ms in answered if status == 200]
    shed = sum(status in (429, 503) for status, _ in answered)
    return dict(accepted=len(accepted) / seconds, shed=shed / seconds, p50_ms=percentile(accepted, 0.5),
                p99_ms=percentile(accepted, 0.99), share_shed=shed / max(1, len(answered)),
                other=len(answered) - len(accepted) - shed)


def probabilities(reply):
    """The scores in a reply of any of the servers: JSON, NDJSON or CSV; None where it has none."""
    try:
        lines = [line for line in reply.decode().splitlines() if not line.startswith("# ")]  # its last line counts
        if not reply.startswith(b"{"):
            return [float(row["probability"]) for row in csv.DictReader(lines)]
        if len(lines) > 1 and lines[0].endswith("}"):
            return [json.loads(line)["probability"] for line in lines if '"probability"' in line]
        reply = json.loads(reply)
        found = next((reply[key] for key in ("scores", "predictions", "churn_probability") if key in reply), None)
        if "outputs" in reply:
            found = next((o for o in reply["outputs"] if o["name"] == "probability"), reply["outputs"][0])["data"]
        found = found if isinstance(found, list) else [found]
        return [float(score["probability"] if isinstance(score, dict) else score) for score in found]
    except (KeyError, TypeError, ValueError):
        return None


def open_loop(url, body, kind, rate, seconds, connections):
    """Requests are due at even times whatever became of earlier ones; one that finds no free connection waits, and its
    time counts from when it was due. One thread: some 20,000 requests of 8 kB a second are what it can send."""
    host, port, path = re.fullmatch(r"http://([^:/]+):(\d+)(.*)", url).groups()
    with open(body, "rb") as file:
        body = file.read()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    poll, sockets, free, waiting, buffers = select.epoll(), {}, [], {}, {}

    def connect():
        one = socket.create_connection((host, int(port)))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.settimeout(20)  # a send that does not fit waits
        poll.register(one, select.EPOLLIN)
        sockets[one.fileno()], buffers[one.fileno()] = one, b""
        free.append(one.fileno())

    for _ in range(connections):
        connect()
    answered, late, sent, broken, began = [], [], 0, 0, time.perf_counter()
    while True:
        now = time.perf_counter() - began
        while free and now < seconds and sent / rate <= now:
            file = free.pop()
            try:
                sockets[file].sendall(request)
            except OSError:  # closed meanwhile, which epoll tells below
                pass
            waiting[file] = sent / rate
            late.append(now - sent / rate)
            sent += 1
            now = time.perf_counter() - began
        if now > seconds and (not waiting or now > seconds + 10):
            break
        for file, _ in poll.poll(0.0005 if now < seconds else 0.1):
            try:
                piece = sockets[file].recv(1 << 18)
            except OSError:
                piece = b""
            buffers[file] += piece
            head, found, rest = buffers[file].partition(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I) if found else None
            done = found and len(rest) >= int(length.group(1) if length else 0)
            if done and file in waiting:
                answered.append((int(head[9:12]), (time.perf_counter() - began - waiting.pop(file)) * 1e3))
                buffers[file] = b""
                if b"\r\nconnection: close" not in head.lower():
                    free.append(file)
            if not piece:
                broken += waiting.pop(file, None) is not None
                poll.unregister(file)
                sockets.pop(file).close()
                if file in free:
                    free.remove(file)
                connect()
    figures = answers(answered, seconds)
    return dict(figures, offered=rate, sent=sent / seconds, unsent_share=max(0.0, 1 - sent / (rate * seconds)),
                other=figures["other"] + broken + len(waiting), late_p99_ms=1e3 * percentile(late, 0.99))


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    rate, seconds, connections = float(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6])
    print(json.dumps(open_loop(*sys.argv[1:4], rate, seconds, connections)))
