"""Topics of Kafka as the platform needs them: made so, and compared when they exist."""

from collections.abc import Mapping, Sequence

from actors.adapters.kafka_library import MESSAGE_BYTES_MAX, Admin, TopicExists, TopicFacts
from actors.adapters.topics import no_such_topic
from actors.errors import SetupError
from actors.ports import Topic


def configs(topic: Topic) -> dict[str, str]:
    """Nothing is forgotten unless the platform trims it, and the brokers stamp what they append."""
    return {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": str(MESSAGE_BYTES_MAX),
    }


def differences(topic: Topic, facts: TopicFacts) -> list[str]:
    """What is not as wanted, in words; empty when all is."""
    found = [f"partitions: exists with {facts.partitions}, wanted {topic.partitions}"]
    if facts.partitions == topic.partitions:
        found = []
    for name, wanted in configs(topic).items():
        exists = facts.configs.get(name, "unknown")
        if not _good(name, exists, wanted):
            found.append(f"{name}: exists with {exists}, wanted {wanted}")
    return found


def _good(name: str, exists: str, wanted: str) -> bool:
    if name == "max.message.bytes":
        return exists.isdigit() and int(exists) >= int(wanted)
    return exists == wanted


def create(admin: Admin, topics: Sequence[Topic]) -> None:
    """Make what is missing. Raises SetupError naming each difference of what exists, before anything is made."""
    there = admin.describe([topic.name for topic in topics])
    _check(topics, there)
    for topic in topics:
        if topic.name not in there:
            try:
                admin.create(topic.name, topic.partitions, configs(topic))
            except TopicExists:  # Another process was faster; what it made is compared too.
                _check([topic], admin.describe([topic.name]))


def _check(topics: Sequence[Topic], there: Mapping[str, TopicFacts]) -> None:
    found = {topic.name: differences(topic, there[topic.name]) for topic in topics if topic.name in there}
    different = [f"{name} ({'; '.join(words)})" for name, words in found.items() if words]
    if different:
        raise SetupError(
            f"topics differ from what is wanted: {', '.join(different)}. Partitions can never change; "
            "set the other values with kafka-configs, or use another cluster.",
            reason="TOPIC_DIFFERS",
        )


def facts_of(admin: Admin, topics: Sequence[str]) -> dict[str, TopicFacts]:
    """What the brokers say of topics that must exist. Raises SetupError naming the first that does not."""
    there = admin.describe(topics)
    for topic in topics:
        if topic not in there:
            raise no_such_topic(topic)
    return there


def is_compacted(facts: TopicFacts) -> bool:
    """Whether offsets of the topic may have gaps."""
    return "compact" in facts.configs.get("cleanup.policy", "")
