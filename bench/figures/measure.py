"""One function for each figure; each returns its rows.

What is compared is measured in turns (one, the other, the one again), and medians are compared, so that a disturbance
from outside hits both. A server that put work off (records on their way to the log) is waited for before its rival's turn.
"""

import re
import time
from statistics import median

from .programs import ADMINISTRATOR, Bench, Missing, Organizer, Receiver, Server, Visitor
from .report import Row, at_least, at_most, middle, number, stated

TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}}'
WARM = ["--warm-up", "0.5"]


def start(bench: Bench) -> list[Row]:
    """From the moment the process is started until the first healthy answer has arrived; files are in the page cache."""
    data = bench.data("start")
    with bench.node(data) as server:
        bench.create_users(server, 10_000, 64)
    sandbox, node = starts(bench.sandbox, 20), starts(lambda: bench.node(data), 20)
    moto = starts(bench.moto, 5)
    return [
        at_most("start", "sandbox, median of 20", 30, "ms", median(sandbox), all_ms=sandbox, worst_ms=max(sandbox)),
        at_most("start", "data folder with 10,000 users, median of 20", 150, "ms", median(node), all_ms=node, worst_ms=max(node)),
        stated("start", "moto_server, median of 5", f"{number(median(moto))} ms", all_ms=moto),
    ]


def starts(begin, rounds: int) -> list[float]:
    def once() -> float:
        with begin() as server:
            return server.start_ms

    return [once() for _ in range(rounds)]


def memory(bench: Bench) -> list[Row]:
    """Resident memory after start, one call that an AWS managed policy allows, and three quiet seconds."""
    with bench.sandbox() as server:
        server.key = bench.issued_key(server)
        sandbox = idle(bench, server)
    with bench.node(bench.data("memory")) as server:
        node = idle(bench, server)
    with bench.moto() as server:
        moto = idle(bench, server)
    return [
        at_most("memory", "sandbox, idle", 30, "MiB", sandbox),
        at_most("memory", "data folder, idle", 30, "MiB", node),
        stated("memory", "moto_server, idle", f"{number(moto)} MiB", mib=moto),
    ]


def idle(bench: Bench, server: Server) -> float:
    bench.show(server, "iam:ListUsers")
    time.sleep(3)
    return server.resident_mib()


def identity(bench: Bench) -> list[Row]:
    """GetCallerIdentity on a data folder: an issued key, so the signature is verified, and every call is recorded."""
    call, options = "sts:GetCallerIdentity", ["--connections", "32", "--seconds", "3", *WARM]
    floors, ours, put_off = [], [], []
    with bench.node(bench.data("identity")) as server, bench.floor(bench.show(server, call)) as floor:
        for _ in range(5):
            floors.append(bench.load(floor, call, *options))
            ours.append(bench.load(server, call, *options))
            put_off.append(server.settle())
    with bench.moto() as server:
        moto = bench.load(server, call, "--connections", "16", "--seconds", "3", *WARM)
    rate, floor_rate = middle(ours, "per_second"), middle(floors, "per_second")
    return [
        at_least("identity", "share of the floor", 60, "%", 100 * rate / floor_rate, floor=floors, rootward=ours),
        at_least("identity", "GetCallerIdentity, 32 connections", 28_500, "/s", rate),
        stated("identity", "floor, 32 connections", f"{number(floor_rate)} /s"),
        stated("identity", "processor time a call, rootward / floor", costs(ours, floors)),
        stated("identity", "p50 / p99", f"{number(middle(ours, 'p50_us'))} / {number(middle(ours, 'p99_us'))} µs"),
        at_most("identity", "records still on their way after the load, worst", 1, "s", max(put_off), seconds=put_off),
        stated("identity", "moto_server, 16 connections, nothing verified", f"{number(moto['per_second'])} /s", report=moto),
    ]


def costs(ours: list[dict], theirs: list[dict]) -> str:
    return f"{middle(ours, 'server_cpu_us'):.1f} / {middle(theirs, 'server_cpu_us'):.1f} µs"


def peers(bench: Bench) -> list[Row]:
    """The same calls, the same load, 16 connections: a data folder, a sandbox, and moto_server, which verifies,
    authorizes, records and keeps nothing."""
    data = bench.data("peers")
    with bench.node(data) as node, bench.sandbox() as sandbox, bench.moto() as moto:
        sandbox.key = bench.issued_key(sandbox)
        prepare(bench, node, data.account)
        prepare(bench, sandbox, "123456789012")
        prepare(bench, moto, "123456789012")
        rows = []
        for name, measure in CALLS.items():
            node_rate, sandbox_rate, moto_rate = in_turns(bench, measure, [node, sandbox, moto])
            what = f"{name}: data folder / sandbox / moto_server"
            measured = " / ".join(number(rate) for rate in (node_rate, sandbox_rate, moto_rate)) + " /s"
            rows.append(stated("peers", what, measured, node=node_rate, sandbox=sandbox_rate, moto=moto_rate))
            times = f"{node_rate / moto_rate:.1f} × / {sandbox_rate / moto_rate:.1f} ×"
            rows.append(stated("peers", f"{name}: ratio to moto_server, data folder / sandbox", times))
        return rows


def prepare(bench: Bench, server: Server, account: str) -> None:
    bench.create_users(server, 100, 16)
    bench.show(server, "iam:CreateRole", RoleName="bench", AssumeRolePolicyDocument=TRUST % f"arn:aws:iam::{account}:root")
    server.role = f"arn:aws:iam::{account}:role/bench"


def get_user(bench: Bench, server: Server) -> dict:
    options = ["--connections", "16", "--seconds", "2", "--numbers", "0..100", *WARM]
    return bench.load(server, "iam:GetUser", *options, UserName="user-{n}")


def create_user(bench: Bench, server: Server) -> dict:
    return bench.create_and_delete_users(server, 2_000, 16)


def assume_role(bench: Bench, server: Server) -> dict:
    options = ["--connections", "16", "--seconds", "2", *WARM]
    return bench.load(server, "sts:AssumeRole", *options, RoleArn=server.role, RoleSessionName="session-{n}")


CALLS = {"GetUser": get_user, "CreateUser": create_user, "AssumeRole": assume_role}


def in_turns(bench: Bench, measure, servers: list[Server], rounds: int = 3) -> list[float]:
    rates = [[] for _ in servers]
    for _ in range(rounds):
        for server, kept in zip(servers, rates):
            kept.append(measure(bench, server)["per_second"])
            server.settle()
    return [median(kept) for kept in rates]


def durable(bench: Bench) -> list[Row]:
    """CreateUser, on disk before it is answered, against the commits a second of the database alone on the same disk."""
    backend, one, many = [], [], []
    with bench.node(bench.data("durable")) as server:
        # What a flush takes changes from one second to the next: each round compares its own two.
        for _ in range(7):
            backend.append(bench.commit_rate())
            one.append(bench.create_and_delete_users(server, 4_000, 1, seconds=3))
            server.settle()
            many.append(bench.create_and_delete_users(server, 4_000, 64))
            server.settle()
    alone, shared, floor = middle(one, "per_second"), middle(many, "per_second"), median(backend)
    share = median(100 * report["per_second"] / rate for report, rate in zip(one, backend))
    return [
        stated("durable", "the database alone, 1 client", f"{number(floor)} /s", all=backend),
        at_least("durable", "CreateUser, 1 client, share of that", 50, "%", share, reports=one),
        stated("durable", "CreateUser, 1 client", f"{number(alone)} /s, p99 {number(middle(one, 'p99_us'))} µs"),
        at_least("durable", "CreateUser, 64 clients, against 1 client", 4, "×", shared / alone, reports=many),
        stated("durable", "CreateUser, 64 clients", f"{number(shared)} /s, p99 {number(middle(many, 'p99_us'))} µs"),
    ]


def scale(bench: Bench) -> list[Row]:
    """An account with 100,000 users beside one with 100. A call's cost is the wait of one client (median) and the
    server's processor time; the worse of the two ratios counts."""
    few, many = bench.data("few"), bench.data("many")
    with bench.node(few) as server:
        bench.create_users(server, FEW, 64)
    with bench.node(many) as server:
        seeded = bench.create_users(server, MANY, 64)
    rows = [stated("scale", f"{MANY:,} users created, 64 clients", f"{number(seeded['per_second'])} /s", report=seeded)]
    with bench.node(few) as small, bench.node(many) as large:
        time.sleep(2)
        each = (large.resident_mib() - small.resident_mib()) * 1024 / (MANY - FEW)
        values = {"few_mib": small.resident_mib(), "many_mib": large.resident_mib()}
        rows.append(at_most("scale", "memory a user, after a restart", 1.5, "KiB", each, **values))
        markers = {small: marker(bench, small, pages=0), large: marker(bench, large, pages=50)}
        for name, measure in scale_calls(markers).items():
            rows.append(grown(bench, name, measure, small, large))
    return rows


def scale_calls(markers: dict) -> dict:
    alone = ["--connections", "1", "--seconds", "1", "--warm-up", "0.2"]

    def get(bench: Bench, server: Server, users: int) -> dict:
        return bench.load(server, "iam:GetUser", *alone, "--numbers", f"0..{users}", "--pool", "10000", UserName="user-{n}")

    def create(bench: Bench, server: Server, _users: int) -> dict:
        return bench.create_and_delete_users(server, 100, 1)

    def first_page(bench: Bench, server: Server, _users: int) -> dict:
        return bench.load(server, "iam:ListUsers", *alone, MaxItems="50")

    def later_page(bench: Bench, server: Server, _users: int) -> dict:
        return bench.load(server, "iam:ListUsers", *alone, MaxItems="50", Marker=markers[server])

    return {"GetUser": get, "CreateUser": create, "ListUsers, first 50": first_page, "ListUsers, 50 from the middle": later_page}


def grown(bench: Bench, name: str, measure, small: Server, large: Server) -> Row:
    few, many = [], []
    for _ in range(5):
        few.append(measure(bench, small, FEW))
        small.settle()
        many.append(measure(bench, large, MANY))
        large.settle()
    wait, cost = (middle(many, part) / middle(few, part) for part in ("p50_us", "server_cpu_us"))
    what = f"{name}: {MANY:,} users against {FEW} (wait {wait:.2f} ×, processor {cost:.2f} ×)"
    return at_most("scale", what, 2, "×", max(wait, cost), few=few, many=many)


def marker(bench: Bench, server: Server, pages: int) -> str:
    """Where the page after 10 users and then `pages` pages of 1,000 begins."""
    found = next_marker(bench.show(server, "iam:ListUsers", MaxItems="10"))
    for _ in range(pages):
        found = next_marker(bench.show(server, "iam:ListUsers", MaxItems="1000", Marker=found))
    return found


def next_marker(answer: bytes) -> str:
    _, found, rest = answer.decode().partition("<Marker>")
    if not found:
        raise Missing("ListUsers gave no marker though there are more users")
    return rest.partition("</Marker>")[0]


def alerts(bench: Bench) -> list[Row]:
    """From the arrival of a call to the arrival of its alert. The event id begins with the time of the call, in milliseconds,
    by the same clock; calls come one at a time, so an alert waits for the log and not for other alerts."""
    data = bench.data("alerts")
    with bench.node(data) as server, Receiver() as receiver:
        bench.host(data, "alerts", "add", "bench", "--webhook", receiver.url)
        bench.create_users(server, 1, 1)
        for number_of_call in range(ALERTS):
            name = f"policy-{number_of_call}"
            bench.show(server, "iam:PutUserPolicy", UserName="user-0", PolicyName="bench", PolicyDocument=POLICY % name)
        waits = sorted(receiver.waits("PutUserPolicy", ALERTS))
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    return [
        at_most("alerts", f"call to alert at an HTTP receiver, p99 of {ALERTS}", 1_000, "ms", p99, all_ms=waits),
        stated("alerts", "p50 / worst", f"{number(p50)} / {number(waits[-1])} ms"),
    ]


def signin(bench: Bench) -> list[Row]:
    """Signing in to the console, form to redirect: one Argon2id, the rest is ours, a durable commit among it."""
    data = bench.data("signin")
    hashes, ours = [], []
    with bench.node(data) as server:
        people = with_passwords(bench, server, 5)
        for _ in range(7):
            hashes.append(bench.hash_cost())
            ours.append(median(Visitor(server).sign_in(data.account, name, PASSWORD) for name in people for _ in range(3)))
    besides = median(total - alone for total, alone in zip(ours, hashes))
    return [
        at_most("signin", "a sign-in without its hash", 5, "ms", besides, hashes_ms=hashes, sign_ins_ms=ours),
        stated("signin", "a sign-in / one Argon2id alone", f"{number(median(ours))} / {number(median(hashes))} ms"),
    ]


def console(bench: Bench) -> list[Row]:
    """The console's home page in an account with 5,000 users, for an administrator, and what a browser gets for it."""
    data = bench.data("console")
    with bench.node(data) as server:
        bench.create_users(server, 5_000, 64)
        visitor = Visitor(server)
        [name] = with_passwords(bench, server, 1)
        bench.show(server, "iam:AttachUserPolicy", UserName=name, PolicyArn=ADMINISTRATOR)
        visitor.sign_in(data.account, name, PASSWORD)
        waits, page = [], b""
        for _ in range(51):
            begun = time.perf_counter()
            status, page = visitor.get("/console")
            waits.append((time.perf_counter() - begun) * 1000)
            if status != 200:
                raise Missing(f"the console's home answered {status}")
        parts = set(re.findall(r'(?:src|href)="(/console/assets/[^"]+)"', page.decode()))
        if not parts:
            raise Missing("the console's home has neither styles nor scripts")
        whole = len(page) + sum(len(visitor.get(part)[1]) for part in parts)
    return [
        at_most("console", "home with 5,000 users, median of 51", 50, "ms", median(waits), all_ms=waits),
        at_most("console", "home with all its parts", 150, "KiB", whole / 1024, parts=sorted(parts)),
    ]


def attempts(bench: Bench) -> list[Row]:
    """Signed calls while somebody guesses one user's password 1,000 times a second from 64 addresses.

    Held against calls while a bare hyper server gets the same requests: what a guesser costs the machine that it shares with the server here,
    and what any server pays for a request, is no cost of guesses. Calls in peace are measured as well.
    """
    data = bench.data("attempts")
    call, options = "sts:GetCallerIdentity", ["--connections", "16", "--seconds", "2", *WARM]
    peace, floor, besieged, guesses = [], [], [], []
    with bench.node(data) as server:
        [name] = with_passwords(bench, server, 1)
        visitor, known = Visitor(server), Visitor(server)
        known.sign_in(data.account, name, PASSWORD)
        fields = visitor.form("/console/sign-in") | {"account": data.account, "name": name, "password": "not the password"}
        request = visitor.raw_post("/console/sign-in", **fields)

        def besieging(besieged: Server) -> dict:
            server.settle()
            calls, attempts = bench.load_beside(server, request, besieged, ATTEMPTS, call, *options)
            guesses.append(attempts["per_second"])
            return calls

        # The first guesses are looked at, which costs a hash each: that is over after some seconds, and a figure of its own.
        first = besieging(server)
        bench.ended(bench.attempts(server, request, ATTEMPTS, 8))
        page = bench.answer(server, request).replace(b"403 Forbidden", b"200 OK", 1)
        with bench.floor(page) as bare:
            # The machine is not equally fast all the time: each round is held against the one before it.
            for _ in range(11):
                server.settle()
                peace.append(bench.load(server, call, *options))
                floor.append(besieging(bare))
                besieged.append(besieging(server))
        attempts = bench.attempts(server, request, ATTEMPTS, 3)
        time.sleep(1)
        owner = median(known.sign_in(data.account, name, PASSWORD) for _ in range(9))
        bench.ended(attempts)

    def share(ours: list[dict], theirs: list[dict]) -> float:
        return median(100 * our["per_second"] / their["per_second"] for our, their in zip(ours, theirs))

    return [
        at_least("attempts", "guesses a second while it was measured", 0.99 * ATTEMPTS, "/s", median(guesses), all=guesses),
        at_least("attempts", "signed calls beside them, share of those beside a bare hyper server that gets them", 90, "%",
                 share(besieged, floor), floor=floor, besieged=besieged),
        stated("attempts", "signed calls beside the bare hyper server, and beside the guesses, share of those in peace",
               f"{number(share(floor, peace))} %, {number(share(besieged, peace))} %"),
        stated("attempts", "… in the first seconds, while guesses are looked at",
               f"{number(100 * first['per_second'] / middle(peace, 'per_second'))} %"),
        stated("attempts", "p99 of a signed call, in peace / beside them",
               f"{number(middle(peace, 'p99_us'))} / {number(middle(besieged, 'p99_us'))} µs"),
        stated("attempts", "the owner's sign-in beside them, from a browser that has signed in before", f"{number(owner)} ms"),
    ]


def organizations(bench: Bench) -> list[Row]:
    """An organization of 10,000 accounts: what it costs a decision in one of them, and pages of their list, walked from front to end,
    against the smallest answer over the same connection."""
    cost = bench.organization_cost()
    alone, member = cost["alone_ns"] / 1000, cost["member_ns"] / 1000
    with bench.sandbox() as server:
        organizer, management = Organizer(server), "123456789012"
        organizer.call(management, "CreateOrganization")
        # Invited: accounts are opened a thousand a day.
        for account in (f"{200_000_000_000 + n}" for n in range(ACCOUNTS - 1)):
            invited, _ = organizer.call(management, "InviteAccountToOrganization", Target={"Type": "ACCOUNT", "Id": account})
            organizer.call(account, "AcceptHandshake", HandshakeId=invited["Handshake"]["Id"])
        pages, floors, token = [], [], {}
        while len(pages) < ACCOUNTS // 20:
            page, took = organizer.call(management, "ListAccounts", **token)
            pages.append(took)
            floors.append(organizer.call(management, "DescribeOrganization")[1])
            token = {"NextToken": page.get("NextToken")}
    return [
        at_most("organizations", "a decision in a member, against one in a lone account", 1.5, "×", member / alone, **cost),
        stated("organizations", "… in a member / in a lone account", f"{member:.2f} / {alone:.2f} µs"),
        at_most("organizations", "a policy attached above 5,000 accounts, to its first decision", 1_000, "ms", cost["effect_ms"]),
        at_most("organizations", "memory of an idle member", 100, "KiB", cost["bytes_each"] / 1024),
        at_most("organizations", "a page of ListAccounts, 10,000 accounts, median of all pages", 5, "ms", median(pages), worst_ms=max(pages)),
        stated("organizations", "… worst page; DescribeOrganization", f"{number(max(pages))}; {number(median(floors))} ms"),
    ]


def with_passwords(bench: Bench, server: Server, count: int) -> list[str]:
    """Users who may sign in."""
    names = [f"person-{n}" for n in range(count)]
    for name in names:
        bench.show(server, "iam:CreateUser", UserName=name)
        bench.show(server, "iam:CreateLoginProfile", UserName=name, Password=PASSWORD)
    return names


ACCOUNTS = 10_000
ALERTS = 250
ATTEMPTS = 1_000
PASSWORD = "brisk-Heron+52-harbours"
POLICY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s"}}'
FEW, MANY = 100, 100_000
FIGURES = {
    "start": start,
    "memory": memory,
    "identity": identity,
    "peers": peers,
    "durable": durable,
    "scale": scale,
    "alerts": alerts,
    "signin": signin,
    "console": console,
    "attempts": attempts,
    "organizations": organizations,
}
