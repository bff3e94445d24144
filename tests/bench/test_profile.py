"""bench.profile: what it makes of the tools' words, and a count with the real ones."""

import socket
import threading

import pytest

from bench import profile
from bench.profiling import callgrind, costs, names, report, samples, syscalls
from bench.profiling.client import Client, WrongAnswerError
from tests.parts import needed

PYTHON = "/usr/lib/libpython3.11.so.1.0"
ANSWER = "/site/gpool/wsgi/answer.cpython-311-x86_64-linux-gnu.so"
RUN = "__pyx_f_5gpool_4wsgi_6answer_6Answer_run"

# ---------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("__pyx_f_5gpool_4wsgi_6answer_6Answer__send_list", "Answer._send_list"),
        ("__pyx_pw_5gpool_4wsgi_6answer_6Answer_11_head", "Answer._head (def)"),
        ("__pyx_pw_5gpool_4wsgi_6answer_1remote", "remote (def)"),
        (
            "__pyx_pw_5gpool_4wsgi_6answer_6Answer_1start_response.cold",
            "Answer.start_response (def)",
        ),
        ("__pyx_tp_dealloc_5gpool_4wsgi_6answer_Answer", "Answer.dealloc (type)"),
        ("__Pyx_PyObject_FastCallDict.constprop.0", "__Pyx_PyObject_FastCallDict"),
    ],
)
def test_cython_names_are_what_the_author_wrote(symbol, name):
    found = names.function(symbol, ANSWER)
    assert (found.name, found.module, found.part) == (
        name,
        "gpool.wsgi.answer",
        "gpool.wsgi.answer",
    )


@pytest.mark.parametrize(
    ("symbol", "library", "part"),
    [
        ("_PyEval_EvalFrameDefault", PYTHON, names.INTERPRETER),
        ("PyDict_SetItem", PYTHON, names.OBJECTS),
        ("_PyObject_Malloc", PYTHON, names.MEMORY),
        ("_PyObject_GetMethod", "/usr/bin/python3.11", names.INTERPRETER),
        ("malloc", "/lib/libc.so.6", names.MEMORY),
        ("memcpy", "/lib/libc.so.6", names.LIBC),
        ("ev_run", "/s/gevent/libev/corecext.cpython-311-x86_64-linux-gnu.so", names.LOOP),
        ("slp_switch", "/s/greenlet/_greenlet.cpython-311-x86_64-linux-gnu.so", names.GREENLET),
        ("sock_send", "/l/lib-dynload/_socket.cpython-311-x86_64-linux-gnu.so", names.SOCKETS),
        ("0x0000000004936718", "???", names.LIBC),
        ("main", "/bench/out/floor", names.OTHER),
    ],
)
def test_every_function_has_a_part(symbol, library, part):
    assert names.function(symbol, library).part == part


# ---------------------------------------------------------------------- callgrind

DUMP = f"""\
events: Ir
summary: 1000

ob={ANSWER}
fl=???
fn={RUN}'_PyEval_EvalFrameDefault
0 100
cob={PYTHON}
cfn=PyDict_GetItem'{RUN}'_PyEval_EvalFrameDefault
calls=4 0
0 260
cob={PYTHON}
cfn=_PyEval_EvalFrameDefault'{RUN}'_PyEval_EvalFrameDefault
calls=2 0
0 340

ob={PYTHON}
fn=PyDict_GetItem'{RUN}'_PyEval_EvalFrameDefault
10 250
11 10

fn=_PyEval_EvalFrameDefault'{RUN}'_PyEval_EvalFrameDefault
0 340

fn=_PyEval_EvalFrameDefault
0 300
cob={ANSWER}
cfn={RUN}'_PyEval_EvalFrameDefault
calls=2 0
0 700
"""


@pytest.fixture
def counted():
    return costs.read(DUMP, 2)


def cost(counted, name):
    return next(cost for what, cost in counted.functions.items() if what.name == name)


def test_helpers_count_for_the_function_that_used_them(counted):
    run = cost(counted, "Answer.run")
    assert (run.own, run.owned, run.inclusive, run.calls) == (100, 360, 700, 2)
    assert cost(counted, "PyDict_GetItem").owned == 0
    assert "     130.0  PyDict_GetItem  [libpython3.11.so.1.0]" in list(profile.helpers(counted))
    assert counted.owners() == {names.INTERPRETED: 320, "gpool.wsgi.answer": 180}


def test_a_function_inside_of_itself_counts_once(counted):
    evaluate = cost(counted, "_PyEval_EvalFrameDefault")
    assert (evaluate.own, evaluate.inclusive) == (640, 1000)


def test_parts_add_up_to_all_instructions(counted):
    assert sum(counted.parts().values()) == counted.instructions / counted.requests
    assert sum(counted.owners().values()) == counted.instructions / counted.requests


def test_what_is_always_in_the_stack_is_not_among_the_inclusive(counted):
    assert [what.name for what, _ in counted.top("inclusive", 9)] == [
        "Answer.run",
        "PyDict_GetItem",
    ]
    assert [what.name for what, _ in counted.top("own", 1)] == ["_PyEval_EvalFrameDefault"]


def test_recursion_is_told_apart_without_callers_as_well():
    dump = f"ob={PYTHON}\nfn=f\n0 10\ncfn=f'2\ncalls=1 0\n0 7\n\nfn=f'2\n0 7\nsummary: 17\n"
    found = cost(costs.read(dump, 1), "f")
    assert (found.own, found.inclusive) == (17, 17)


# ---------------------------------------------------------------------- strace and perf


def test_system_calls_and_their_errors_are_per_request():
    table = """\
syscall              calls    errors
---------------- --------- ---------
recvfrom               200       100
sendto                 100
futex                    0
---------------- --------- ---------
total                  300       100
"""
    assert syscalls.read(table, 100) == {
        "recvfrom": syscalls.Calls(2, 1),
        "sendto": syscalls.Calls(1, 0),
    }


def test_a_sample_counts_for_its_system_call_or_its_function():
    script = f"""
\tffffffff81 tcp_v4_rcv ([kernel.kallsyms])
\tffffffff82 __x64_sys_recvfrom_helper ([kernel.kallsyms])
\tffffffff83 __x64_sys_sendto ([kernel.kallsyms])
\tffffffff84 do_syscall_64 ([kernel.kallsyms])

\tffffffff85 irq_exit ([kernel.kallsyms])

\t    7f01 _PyEval_EvalFrameDefault ({PYTHON})
\t    7f02 main ({PYTHON})

"""
    assert [samples.part_of_sample(stack) for stack in samples.read(script)] == [
        names.KERNEL_SEND,
        names.KERNEL_OTHER,
        names.INTERPRETER,
    ]


# ---------------------------------------------------------------------- the report

FIGURES = {
    "machine": {"date": "today", "cpu": "a CPU", "cpus": 2, "system": "Linux", "versions": {}},
    "servers": {"wsgi": {"title": "gpool"}, "pywsgi": {"title": "pywsgi"}},
    "time": {
        "keep-alive": {
            "wsgi": {
                "user_us": 3.0,
                "system_us": 6.0,
                "parts": {names.KERNEL_SEND: 6.0, "gpool.worker": 1.0, "gpool.workers": 2.0},
            },
            "pywsgi": {"user_us": 30.0, "system_us": 10.0, "parts": {names.KERNEL_SEND: 10.0}},
        }
    },
    "calls": {
        "keep-alive": {
            "wsgi": {"sendto": {"calls": 1.0, "errors": 0.0}},
            "pywsgi": {"recvfrom": {"calls": 2.0, "errors": 1.0}},
        }
    },
    "instructions": {
        "keep-alive": {
            "wsgi": {
                "total": 20_000.0,
                "parts": {names.INTERPRETER: 20_000.0},
                "owners": {"gpool.worker": 20_000.0},
                "top": [{"name": "f", "module": "gpool.worker", "owned": 9e3, "own": 5e2}],
            },
            "pywsgi": {"total": 3e5, "parts": {names.INTERPRETER: 3e5}, "owners": {}, "top": []},
        }
    },
}


def test_the_tables_have_the_figures():
    lines = report.markdown(FIGURES).splitlines()
    for line in (
        "| kernel: send | 6.0 | 10.0 |",
        "| gpool's modules, compiled | 3.0 |  |",
        "| the kernel's share | 67% | 25% |",
        "| `recvfrom` |  | 2.00 (1.00 fail) |",
        "| **all** | 20,000 | 300,000 |",
        "| gpool.worker | 20,000 |",
        "| `f` | gpool.worker | 9,000 | 500 |",
    ):
        assert line in lines


def test_only_what_is_between_the_markers_is_replaced():
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    once = report.inserted(page, "new")
    assert once == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    assert report.inserted(once, "new") == once
    with pytest.raises(ValueError, match="no place"):
        report.inserted("before\nafter\n", "new")


def test_the_page_has_a_place_for_them():
    assert report.inserted(profile.PAGE.read_text(), "new") != profile.PAGE.read_text()


def test_what_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr(profile.shutil, "which", lambda _name: None)
    assert profile.main(["--callgrind", "wsgi"]) == (
        "not installed; on Debian and Ubuntu: apt-get install util-linux valgrind"
    )


# ---------------------------------------------------------------------- the client


class Canned:
    """A server that answers each request with the same, and counts."""

    def __init__(self, answer):
        self.answer, self.requests, self.connections = answer, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.threads.append(threading.Thread(target=self.serve, args=[sock], daemon=True))
            self.threads[-1].start()

    def serve(self, sock):
        with sock:
            while request := sock.recv(4_096):
                self.requests += 1
                sock.sendall(self.answer)
                if b"Connection: close" in request:
                    return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(5)


@pytest.fixture
def canned():
    opened = []

    def open_one(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!"):
        opened.append(Canned(answer))
        return opened[-1]

    yield open_one
    for server in opened:
        server.close()


@pytest.mark.parametrize(("close", "connections"), [(False, 4), (True, 25)])
def test_the_client_makes_exactly_so_many_requests(canned, close, connections):
    server = canned()
    with Client(server.port, close, 4) as client:
        client.ask(10)
        client.ask(15)
    assert (server.requests, server.connections) == (25, connections)


def test_the_client_notices_a_wrong_answer(canned):
    server = canned(b"HTTP/1.1 503 Service Unavailable\r\n\r\nHello, World!")
    with Client(server.port, False, 1) as client, pytest.raises(WrongAnswerError, match="503"):
        client.ask(1)


# ---------------------------------------------------------------------- with the real tools


@pytest.mark.parts
@pytest.mark.limit(120)
def test_instructions_of_gpool_repeat():
    needed("valgrind")
    first, again = (callgrind.count("wsgi-pure", requests=640, close=False) for _ in range(2))
    assert first.instructions == pytest.approx(again.instructions, rel=0.01)
    assert cost(first, "_PyEval_EvalFrameDefault").own > 640


@pytest.mark.parts
def test_a_request_of_gpool_takes_one_receive_and_one_send():
    needed("strace")
    calls = syscalls.count("wsgi-pure", requests=640, close=False)
    assert (calls["recvfrom"].calls, calls["sendto"].calls) == (1, 1)
