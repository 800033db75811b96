"""Commands of RocketMQ's mqadmin against what serves at a name server, their output checked.
commands.py HOST:PORT CLASSPATH DIRECTORY"""
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "cli"))
import remoting  # noqa: E402

names, class_path, directory = sys.argv[1:4]
suffix = os.getpid()
TOPIC, GROUP, OFFLINE, PRODUCERS = (f"admin_{what}_{suffix}" for what in "tgop")
failed = []


def mqadmin(*arguments):
    done = subprocess.run(
        ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", f"-Drocketmq.client.logRoot={directory}",
         f"-Drocketmq.log.root={directory}", f"-Duser.home={directory}",
         f"-Drocketmq.home.dir={directory}", "-cp", class_path,
         "org.apache.rocketmq.tools.command.MQAdminStartup",
         *(str(a) for a in arguments), "-n", names],
        capture_output=True, timeout=120)
    return done.stdout.decode() + done.stderr.decode()


def check(arguments, *patterns):
    """Runs the command; each pattern must be in what it prints, and no exception."""
    out = mqadmin(*arguments)
    missing = [p for p in patterns if not re.search(p, out, re.MULTILINE)]
    if "Exception" in out or missing:
        failed.append(arguments[0])
        print(f"interop: mqadmin {' '.join(map(str, arguments))} FAILED: not there: {missing}")
        print(out)
    return out


def broker():
    """Cluster, name and address of the only broker."""
    client = remoting.Client(int(names.split(":")[1]))
    body = re.sub(rb"\{(\d+):", rb'{"\1":', client.ask(remoting.CLUSTER).body)
    client.close()
    (name, data), = json.loads(body)["brokerAddrTable"].items()
    return data["cluster"], name, data["brokerAddrs"]["0"]


class Member(remoting.Client):
    """A client that produces and consumes in groups."""

    def heartbeat(self):
        body = dict(
            clientID=f"interop@{suffix}", producerDataSet=[dict(groupName=PRODUCERS)],
            consumerDataSet=[dict(
                groupName=GROUP, consumeType="CONSUME_PASSIVELY", messageModel="CLUSTERING",
                consumeFromWhere="CONSUME_FROM_FIRST_OFFSET", unitMode=False,
                subscriptionDataSet=[dict(topic=topic, subString="*", tagsSet=[], codeSet=[],
                                          subVersion=1, expressionType="TAG")
                                     for topic in (TOPIC, "%RETRY%" + GROUP)])])
        assert self.ask(remoting.HEARTBEAT, json.dumps(body).encode()).code == 0

    def produce(self, count):
        properties = "KEYS\1key%d\2UNIQ_KEY\1%032X\2TAGS\1blue\2"
        ids = []
        for i in range(count):
            answer = self.send(TOPIC, b"body %d" % i, queue=i % 2,
                               properties=properties % (i, suffix * 1000 + i))
            assert answer.code == 0, answer.remark
            ids.append(answer.ext["msgId"])
        return ids

    def commit(self, group, offset):
        for queue in range(2):
            assert self.ask(remoting.UPDATE_OFFSET, consumerGroup=group, topic=TOPIC,
                            queueId=queue, commitOffset=offset).code == 0


def topics(cluster, name, address):
    check(["updateTopic", "-b", address, "-t", TOPIC, "-r", 2, "-w", 2],
          "create topic to .* success")
    check(["updateTopic", "-c", cluster, "-t", TOPIC, "-r", 4, "-w", 2],
          "create topic to .* success", "readQueueNums=4, writeQueueNums=2")
    check(["topicList"], f"^{TOPIC}$")
    check(["topicList", "-c"], rf"^{cluster}\s+{TOPIC}\s")
    check(["topicRoute", "-t", TOPIC], address, r'"readQueueNums": ?4', rf'"cluster": ?"{cluster}"')
    check(["topicClusterList", "-t", TOPIC], f"^{cluster}$")


def messages(member, name):
    ids = member.produce(6)
    check(["topicStatus", "-t", TOPIC], rf"^{name}\s+0\s+0\s+3\s+20\d\d-",
          rf"^{name}\s+3\s+0\s+0\s")
    check(["queryMsgById", "-t", TOPIC, "-i", ids[2]], rf"Topic:\s+{TOPIC}", r"Queue Offset:\s+1",
          r"Tags:\s+\[blue\]")
    check(["queryMsgByKey", "-t", TOPIC, "-k", "key4"], r"^\S{32}\s+0\s+2")
    check(["queryMsgByOffset", "-t", TOPIC, "-b", name, "-i", 1, "-o", 0], r"Keys:\s+\[key1\]")
    check(["queryMsgByUniqueKey", "-t", TOPIC, "-i", "%032X" % (suffix * 1000 + 3)],
          r"Queue ID:\s+1")
    out = check(["printMsg", "-t", TOPIC, "-d", "true"], "body 0", "body 5")
    if len(re.findall("BODY: body", out)) != 6:
        failed.append("printMsg")
        print("interop: mqadmin printMsg FAILED: not 6 messages\n" + out)


def groups(member, cluster, name, address):
    check(["updateSubGroup", "-c", cluster, "-g", OFFLINE, "-r", 3],
          "create subscription group to .* success", "retryMaxTimes=3")
    member.commit(GROUP, 2)
    check(["consumerProgress", "-g", GROUP],
          rf"^{TOPIC}\s+{name}\s+0\s+3\s+2\s.*\s1\s", r"Diff Total: 2")
    check(["consumerProgress"], rf"^{GROUP[:20]}")
    check(["consumerConnection", "-g", GROUP], rf"interop@{suffix}", "CONSUME_PASSIVELY",
          "CLUSTERING", rf"^{TOPIC}\s+\*\s*$")
    check(["producerConnection", "-g", PRODUCERS, "-t", TOPIC], rf"interop@{suffix}")
    check(["resetOffsetByTime", "-g", GROUP, "-t", TOPIC, "-s", 0], rf"{name}\s+0\s+0")
    member.commit(OFFLINE, 3)
    check(["resetOffsetByTime", "-g", OFFLINE, "-t", TOPIC, "-s", 0], rf"{name}")
    check(["consumerProgress", "-g", GROUP], r"Diff Total:")


def node(cluster, name, address):
    check(["clusterList"], rf"^{cluster}\s+{name}\s+0\s+{address}\s+V\d_\d+_\d+")
    check(["clusterList", "-m"], rf"^{cluster}\s+{name}\s+0\s+0\s+[1-9]")
    check(["brokerStatus", "-b", address], r"^msgPutTotalTodayNow\s+: [1-9]",
          r"^runtime\s+: \[ 0 days")
    check(["brokerStatus", "-c", cluster], r"commitLogMaxOffset\s+: [1-9]")
    check(["getBrokerConfig", "-b", address], rf"^brokerName\s+=\s+{name}$")
    check(["statsAll", "-t", TOPIC], rf"^{TOPIC}\s+{GROUP[:20]}")


def main():
    cluster, name, address = broker()
    member = Member(int(address.split(":")[1]))
    topics(cluster, name, address)
    member.heartbeat()
    messages(member, name)
    groups(member, cluster, name, address)
    node(cluster, name, address)
    member.close()
    check(["deleteTopic", "-c", cluster, "-t", TOPIC], "delete topic .* from cluster .* success")
    if TOPIC in mqadmin("topicList"):
        failed.append("deleteTopic")
        print("interop: mqadmin deleteTopic FAILED: the topic is still there")
    print(f"interop: mqadmin: {'FAILED: ' + ' '.join(failed) if failed else 'good'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
