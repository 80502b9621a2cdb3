"""What the measurements share: the release build, and a Kafka of one broker for it."""
import os, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TAILSPOOL = f"{ROOT}/target/release/tailspool"
JARS = f"{ROOT}/target/kafka/lib/*"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def start_kafka(data, port, *settings):
    """A Kafka on 127.0.0.1:port and the port after it, with its data in the new directory `data`."""
    os.mkdir(data)
    properties = f"{data}/server.properties"
    with open(properties, "w") as out:
        out.write("\n".join([
            "process.roles=broker,controller",
            "node.id=0",
            f"controller.quorum.voters=0@127.0.0.1:{port + 1}",
            f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port + 1}",
            "controller.listener.names=CONTROLLER",
            f"log.dirs={data}/data",
            "num.partitions=1",
            "offsets.topic.replication.factor=1",
            *settings,
            "",
        ]))
    java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", JARS]
    format_data = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties]
    subprocess.run([*java, *format_data], check=True, **QUIET)
    return subprocess.Popen([*java, "kafka.Kafka", properties], **QUIET)
