"""RocketMQ clients that say who they are by access keys, and speak TLS at the same ports; what changes
in the files is taken without a restart. access_test.py TROUPE EXAMPLES"""
import base64
import hashlib
import hmac
import socket
import ssl
import tempfile
import unittest
from pathlib import Path

import remoting
from harness import Node, programs, wait_until
from tls_certificates import make_certificates

TROUPE, _ = programs()
SUCCESS, NO_PERMISSION = 0, 16
ACCOUNTS = """accounts:
- accessKey: orders-app
  secretKey: a-long-secret
  topicPerms:
  - {topic}=PUB
"""


class SignedClient(remoting.Client):
    """Signs each request as the official clients do; with a context through TLS."""

    def __init__(self, port, key=None, secret="", context=None):
        super().__init__(port)
        self.key, self.secret = key, secret
        if context:
            self.stream.close()
            self.socket = context.wrap_socket(self.socket)
            self.stream = self.socket.makefile("rb")

    def request(self, code, body=b"", oneway=False, **ext):
        if self.key:
            ext["AccessKey"] = self.key
            content = "".join(str(ext[name]) for name in sorted(ext)).encode() + body
            digest = hmac.new(self.secret.encode(), content, hashlib.sha1).digest()
            ext["Signature"] = base64.b64encode(digest).decode()
        return super().request(code, body, oneway, **ext)

    def send(self, topic):
        return self.ask(remoting.SEND, b"text", producerGroup="P", topic=topic,
                        defaultTopic="TBW102", defaultTopicQueueNums="4", queueId="0", sysFlag="0",
                        bornTimestamp="1600000000000", flag="0", properties="")


class Access(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.home = Path(temporary.name)

    def start(self, settings, host="127.0.0.1"):
        self.node = Node(TROUPE, self.home, store=f"[gateway]\n{settings}\n")
        if host != "127.0.0.1":
            self.node.settings["directory"] = (f"{self.node.directory}\nhost = {host}\n"
                                               "advertised-host = 127.0.0.1")
        self.addCleanup(self.node.clean_up)
        self.node.start()

    def client(self, *arguments, port=None, **more):
        made = SignedClient(port or self.node.remoting_port, *arguments, **more)
        self.addCleanup(made.close)
        return made

    def replace(self, name, text):
        (self.home / "new").write_text(text)
        (self.home / "new").rename(self.home / name)

    def test_access_keys(self):
        self.replace("acl.yml", ACCOUNTS.format(topic="orders"))
        self.start("accounts = acl.yml")
        app = self.client("orders-app", "a-long-secret")
        self.assertEqual(app.send("orders").code, SUCCESS)
        refused = app.send("bills")
        self.assertEqual((refused.code, "'bills'" in refused.remark), (NO_PERMISSION, True))
        self.assertEqual(self.client("orders-app", "another-secret").send("orders").code,
                         NO_PERMISSION)
        stranger = self.client()
        self.assertEqual(stranger.send("orders").code, NO_PERMISSION)
        self.assertEqual(stranger.ask(remoting.ROUTE, topic="orders").code, SUCCESS)
        self.replace("acl.yml", ACCOUNTS.format(topic="bills"))
        wait_until("the new file holds", lambda: app.send("bills").code == SUCCESS)
        self.assertEqual(app.send("orders").code, NO_PERMISSION)
        self.replace("acl.yml", "accounts: [")
        wait_until("it is told", lambda: "gateway.accounts_kept" in self.node.log())
        self.assertEqual(app.send("bills").code, SUCCESS)
        self.assertNotIn("a-long-secret", self.node.log())

    def test_a_wrong_file_is_no_start(self):
        self.replace("acl.yml", "accounts:\n- accessKey: orders-app\n  secretKey: short\n")
        self.node = Node(TROUPE, self.home, store="[gateway]\naccounts = acl.yml\n")
        self.node.process = self.node.launch()
        self.assertEqual(self.node.wait(), 1)
        self.assertIn("acl.yml:2: secretKey", self.node.log())

    def test_tls(self):
        make_certificates(self.home, "node", "client")
        self.start("tls = permissive\ntls-certificate = node.pem\ntls-key = node.key")
        context = ssl.create_default_context(cafile=self.home / "ca.pem")
        context.check_hostname = False
        self.assertEqual(self.client(context=context).send("t").code, SUCCESS)
        self.assertEqual(self.client().send("t").code, SUCCESS)
        self.node.settings["store"] = ("[gateway]\ntls = required\ntls-certificate = node.pem\n"
                                       "tls-key = node.key\ntls-ca = ca.pem\n")
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        plain = self.client()
        plain.post(remoting.ROUTE, topic="t")
        self.assertIsNone(plain.read())
        context.load_cert_chain(self.home / "client.pem", self.home / "client.key")
        self.assertEqual(self.client(context=context).send("t").code, SUCCESS)
        self.assertIn("does not speak TLS", self.node.log())

    def test_an_open_door_says_what_it_lacks(self):
        make_certificates(self.home, "node")
        self.replace("acl.yml", ACCOUNTS.format(topic="orders"))
        files = "tls = required\ntls-certificate = node.pem\ntls-key = node.key\n"
        for settings, warns in ((files, True), ("accounts = acl.yml", True),
                                (files + "accounts = acl.yml", False)):
            (self.home / "log").unlink(missing_ok=True)
            self.start(settings, host="0.0.0.0")
            self.assertEqual("gateway.open" in self.node.log(), warns, settings)
            self.assertEqual(self.node.stop(), 0)

    def test_the_port_two_below(self):
        self.start("vip-channel = on")
        below = self.node.remoting_port - 2
        self.assertEqual(self.client(port=below).send("t").code, SUCCESS)
        self.node.settings["store"] = "[gateway]\nvip-channel = off\n"
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        with self.assertRaises(ConnectionRefusedError):
            self.client(port=below)
        self.assertEqual(self.node.stop(), 0)
        self.node.settings["store"] = ""
        with socket.create_server(("127.0.0.1", below)):
            self.node.start()
            self.assertIn("gateway.no_vip_channel", self.node.log())
            self.assertEqual(self.client().send("t").code, SUCCESS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
