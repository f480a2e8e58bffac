"""What a broker of ours is told: the lines of its `server.properties`, each with its reason. Pure."""

from pathlib import Path

FRAME_BYTES_MAX = 2 * 1024 * 1024
HEAP_MIB = 384


def quorum(controller_ports: list[int]) -> str:
    """The controllers, which are the brokers themselves: node ids from 1."""
    return ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controller_ports, start=1))


def server_properties(
    node: int, ports: list[int], controller_ports: list[int], data: Path, advertised: list[int] | None = None
) -> str:
    """The settings of broker `node` (from 1) of a cluster with these ports; others are told to use the advertised."""
    brokers = len(ports)
    copies, in_sync = (1, 1) if brokers == 1 else (3, 2)
    address = f"PLAINTEXT://127.0.0.1:{ports[node - 1]}"
    told = f"PLAINTEXT://127.0.0.1:{(advertised or ports)[node - 1]}"
    settings: dict[str, object] = {
        # KRaft, combined: each process is broker and controller. Loopback only, so no passwords.
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": quorum(controller_ports),
        "listeners": f"{address},CONTROLLER://127.0.0.1:{controller_ports[node - 1]}",
        "advertised.listeners": told,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        # Nothing is made or lost silently: topics are made on purpose, and keep everything until they are trimmed.
        "auto.create.topics.enable": "false",
        "log.retention.ms": -1,
        "log.retention.bytes": -1,
        "unclean.leader.election.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        # The log's time is the broker's, stamped at append.
        "log.message.timestamp.type": "LogAppendTime",
        # Frames of up to 2 MiB, and Kafka's own header around them; a request may hold one for each partition.
        "message.max.bytes": FRAME_BYTES_MAX + 64 * 1024,
        "replica.fetch.max.bytes": 2 * FRAME_BYTES_MAX,
        "replica.fetch.response.max.bytes": 16 * 1024 * 1024,
        "fetch.max.bytes": 64 * 1024 * 1024,
        "socket.request.max.bytes": 100 * 1024 * 1024,
        # Kafka's own topics, small: nobody here uses consumer groups or transactions much.
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        # A broker that died is noticed within 3 s; one that comes back waits no longer than that to be let in again.
        "broker.session.timeout.ms": 2_000 if brokers == 1 else 3_000,
        "broker.heartbeat.interval.ms": 400 if brokers == 1 else 500,
        "controller.quorum.election.timeout.ms": 1_000,
        "controller.quorum.fetch.timeout.ms": 2_000,
        # Little memory, few threads, little to do while idle. The cleaner's map is part of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "metadata.max.idle.interval.ms": 5_000,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def java_options(log: Path, config: Path) -> list[str]:
    """How the JVM runs a broker: a small heap, and the collector that needs no threads of its own."""
    return [
        f"-Xmx{HEAP_MIB}m",
        "-Xms128m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={config}",
        f"-Dhutong.log={log}",
    ]
