from bench.sheets import CLIENT_NOTE, goals_sheet, handoff_sheet, load_sheet, sheets, sweep_sheets
from tests.bench.made_up import PEERS, made_up


def column(sheet, heading):
    at = sheet.headings.index(heading)
    return {row[0]: row[at] for row in sheet.rows}


def test_the_cheapest_is_on_top():
    sheet = load_sheet(made_up(), "keep-alive")
    assert sheet.rows[0][0] == "epoll loop in C (floor)"
    assert sheet.rows[-1][0] == "gunicorn gthread"
    costs = [float(cost) for cost in column(sheet, "CPU us/req").values()]
    assert costs == sorted(costs)
    assert len(costs) == len(PEERS)


def test_where_servers_wait_the_most_requests_are_on_top():
    sheet = load_sheet(made_up(), "wait")
    assert sheet.rows[0][0] == "Go fasthttp"
    assert sheet.headings[2] == "req/s"


def test_large_bodies_are_about_throughput():
    sheet = load_sheet(made_up(), "post-1m")
    assert sheet.headings[2] == "MiB/s"
    assert "growth MiB" in sheet.headings


def test_multiples_are_of_what_the_sheet_is_about():
    figures = made_up()
    for name in ("keep-alive", "wait", "idle-1000", "overload", "slow", "half-load"):
        assert column(load_sheet(figures, name), "x gpool")["gpool.WSGIServer"] == "1.00x"
    assert column(load_sheet(figures, "keep-alive"), "x gpool")["pywsgi, NODELAY"] == "9.35x"


def test_without_gpool_there_are_no_multiples():
    figures = made_up()
    del figures["runs"]["keep-alive"]["wsgi"]
    assert set(column(load_sheet(figures, "keep-alive"), "x gpool").values()) == {"-"}


def test_requests_of_a_full_load_generator_are_marked():
    sheet = load_sheet(made_up(), "keep-alive")
    rates = column(sheet, "req/s")
    assert rates["epoll loop in C (floor)"].endswith("*")
    assert not rates["pywsgi, NODELAY"].endswith("*")
    assert sheet.notes == [CLIENT_NOTE]
    assert load_sheet(made_up(), "wait").notes == []


def test_one_run_has_no_spread():
    assert set(column(load_sheet(made_up(repeat=1), "keep-alive"), "spread").values()) == {"-"}


def test_latencies_that_say_nothing_are_not_told():
    figures = made_up()
    assert "p99 ms" in load_sheet(figures, "pipelined").headings
    figures["workloads"]["pipelined"]["latency"] = False
    assert "p99 ms" not in load_sheet(figures, "pipelined").headings


def test_errors_of_all_repetitions_are_counted():
    figures = made_up()
    for run in figures["runs"]["close"]["wsgi"]:
        run["errors"]["read"] = 2
    assert column(load_sheet(figures, "close"), "errors")["gpool.WSGIServer"] == "6"


def test_slow_clients_that_stay_are_counted():
    closed = column(load_sheet(made_up(), "slow"), "slow ones closed after")
    assert closed["gpool.WSGIServer"] == "10.1 to 10.6 s"
    assert closed["waitress"] == "10,000 stay"


def test_overload_tells_goodput_and_refusals():
    sheet = load_sheet(made_up(), "overload")
    assert sheet.rows[0][0] == "gpool.WSGIServer"
    assert column(sheet, "503")["gpool.WSGIServer"] == "33%"


def test_a_sweep_has_a_column_for_each_point():
    cost, rate, p99 = sweep_sheets(made_up(), "connections")
    assert cost.headings == ["server", "1", "10", "100", "1,000", "10,000"]
    assert len(cost.rows) == len(rate.rows) == len(p99.rows) == 4


def test_a_point_that_a_server_has_not_reached_is_a_dash():
    figures = made_up()
    del figures["runs"]["connections-10000"]["pywsgi"]
    assert column(sweep_sheets(figures, "connections")[0], "10,000")["pywsgi, NODELAY"] == "-"


def test_handoffs_are_multiples_of_one_to_a_ready_worker():
    assert column(handoff_sheet(made_up()), "x a ready worker")["gevent.spawn"] == "11.9x"


def test_what_was_not_measured_has_no_sheet():
    figures = made_up()
    figures["runs"] = {"keep-alive": {"wsgi": []}}
    figures["handoff"] = {}
    assert sheets(figures) == []
    assert goals_sheet(figures) is None
