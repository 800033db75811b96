#include "net/config.hpp"

#include "net/config_table.hpp"
#include "tests/net/parsed_config.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

using namespace troupe;
using namespace troupe::net;
using namespace troupe::test;
using troupe::storage::errc;

namespace {

std::string shipped_text() {
  std::ifstream in(TROUPE_TEST_DATA "/../../cluster.ini");
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string written_settings(const cluster_config& c) {
  std::string out;
  for (auto& s : settings())
    out +=
        std::string(s.section) + " " + std::string(s.key) + " " + written(s, c, c.nodes[0]) + "\n";
  return out;
}

TEST_CASE("it is known where each key stands", "[config]") {
  auto config = accepted("[store]\n\nflush = sync\n[node a]\nremoting-port = 1234\n");
  CHECK(config.places.at("store.flush") == "c.ini:3");
  CHECK(config.places.size() == 1);
  CHECK(config.nodes.front().place_of("remoting-port") == "c.ini:5");
}

} // namespace

TEST_CASE("config: the shipped file describes one node on loopback", "[net]") {
  auto c = accepted(shipped_text());
  REQUIRE(c.nodes.size() == 1);
  CHECK(c.nodes[0].name == "local");
  CHECK(c.nodes[0].host == "127.0.0.1");
  CHECK(c.nodes[0].actor_port == 10915);
  CHECK(c.nodes[0].remoting_port == 10911);
  CHECK(c.nodes[0].name_server_port == 9876);
  CHECK(c.gateway.enabled);
  CHECK(c.nodes[0].directory == "./data");
  CHECK(c.nodes[0].roles == std::nullopt);
  CHECK(c.caf.empty());
}

TEST_CASE("config: the shipped file shows every key with its default", "[net]") {
  auto shipped = shipped_text();
  std::string uncommented;
  std::istringstream lines(shipped);
  for (std::string line; std::getline(lines, line);)
    uncommented +=
        (line.size() > 1 && line[0] == '#' && line[1] != ' ' ? line.substr(1) : line) + "\n";
  CHECK(written_settings(accepted(uncommented)) == written_settings(accepted(shipped)));
  for (auto& s : settings())
    CHECK(uncommented.find("\n" + std::string(s.key) + " = ") != std::string::npos);
  auto keys = std::count(uncommented.begin(), uncommented.end(), '=');
  CHECK(keys == static_cast<long>(settings().size()) + 1); // and the example of [caf]
}

TEST_CASE("config: every key of the table is read into its own place", "[net]") {
  const auto defaults = accepted("");
  for (auto& s : settings()) {
    if (s.kind == quantity::text || s.section == "node")
      continue;
    // The ratios must stay in order, and a message must fit into a file: their tests are below.
    if (s.kind == quantity::percent || s.key == "mapped-file-size-commit-log")
      continue;
    auto wanted = s.kind == quantity::on_off ? 1 : s.least + 7 * s.step;
    auto value = s.kind == quantity::on_off     ? "on"
                 : s.kind == quantity::duration ? std::to_string(wanted) + "ms"
                                                : std::to_string(wanted);
    auto text = "[" + std::string(s.section) + "]\n" + std::string(s.key) + " = " + value + "\n";
    INFO(text);
    auto c = accepted(text);
    for (auto& other : settings())
      if (other.key == s.key && other.section == s.section)
        CHECK(s.number(c, c.nodes[0]) == wanted);
      else
        CHECK(written(other, c, c.nodes[0]) == written(other, defaults, defaults.nodes[0]));
  }
}

TEST_CASE("config: a byte order mark before the first line is no part of it", "[net]") {
  CHECK(accepted("\xef\xbb\xbf[store]\nflush = sync\n").options.store.flush ==
        storage::flush_policy::sync);
  CHECK(accepted("\xef\xbb\xbf# a comment\n").nodes.size() == 1);
}

TEST_CASE("config: values with units, comments of both kinds, and CRLF", "[net]") {
  auto c = accepted("; first\r\n[store]\r\n# second\r\nflush=sync\r\n"
                    "mapped-file-size-commit-log = 64 KiB # third\r\n"
                    "file-reserved-time = 2h ; fourth\r\n"
                    "record-crc = on\r\ndelete-when = 04;16\r\n"
                    "disk-max-used-space-ratio = 70%\r\n"
                    "[caf]\r\nscheduler.max-threads = 2\r\n"
                    "[node a]\r\ndirectory = /var/lib/a b\r\nroles = all\r\n"
                    "[node b]\r\nactor-port = 0\r\nremoting-port = 0\r\n"
                    "name-server-port = off");
  auto& o = c.options.store;
  CHECK(o.flush == storage::flush_policy::sync);
  CHECK(o.log_file_size_bytes == 65536);
  CHECK(o.file_reserved_time_ms == 7'200'000);
  CHECK(o.record_crc);
  CHECK(o.delete_when_hours == std::vector<int>{4, 16});
  CHECK(o.disk_max_used_percent == 70);
  CHECK(o.max_message_size_bytes == 65536); // shrunk, for it was not given
  REQUIRE(c.caf.size() == 1);
  CHECK(c.caf[0].key == "scheduler.max-threads");
  CHECK(c.caf[0].value == "2");
  CHECK(c.caf[0].place == "c.ini:11");
  REQUIRE(c.nodes.size() == 2);
  CHECK(c.nodes[0].directory == "/var/lib/a b");
  CHECK(c.nodes[0].roles == std::nullopt);
  CHECK(c.nodes[1].actor_port == 0);
}

TEST_CASE("config: an empty file means one node with every default", "[net]") {
  auto c = accepted("");
  REQUIRE(c.nodes.size() == 1);
  CHECK(c.nodes[0].name == "node");
  CHECK(accepted("[node x]\n").nodes[0].name == "x");
}

TEST_CASE("config: an unknown name is refused with its line and one that is near", "[net]") {
  const std::string all =
      "; there are [cluster] [store] [writer] [dispatcher] [flusher] "
      "[queue-manager] [cleaner] [pull] [session] [actor-port] [admin] [tls] [gateway] [log] [caf] "
      "[node NAME]";
  CHECK(refusal("[store]\n\nflsh = sync\n") ==
        "c.ini:3: unknown key 'flsh' in [store]; the nearest is 'flush'");
  CHECK(refusal("[writer]\nmailbox-capacity = 1\n") ==
        "c.ini:2: unknown key 'mailbox-capacity' in [writer] (there is one in "
        "[dispatcher])");
  CHECK(refusal("[writer]\nqwxz = 1\n") == "c.ini:2: unknown key 'qwxz' in [writer]");
  CHECK(refusal("[node a]\nactor-prt = 1\n") ==
        "c.ini:2: unknown key 'actor-prt' in [node a]; the nearest is 'actor-port'");
  CHECK(refusal("#\n[dispacher]\nbackpressure = 1ms\n") ==
        "c.ini:2: unknown section [dispacher]; the nearest is 'dispatcher'" + all);
  CHECK(refusal("[nod a]\n") == "c.ini:1: unknown section [nod a]; the nearest is 'node'" + all);
  CHECK(refusal("[zebra]\n") == "c.ini:1: unknown section [zebra]" + all);
  CHECK(refusal("[node a]\nroles = writer, raeders\n") ==
        "c.ini:2: roles = 'writer, raeders' names an unknown role 'raeders'; the nearest is "
        "'readers'; there are all, or some of writer, flusher, cleaner, readers, dispatcher, "
        "queue-manager, registrar, door");
  CHECK(refusal("[store]\nflush = asink\n") ==
        "c.ini:2: flush = 'asink' is neither 'async' nor 'sync'");
  CHECK(refusal("[store]\nflush = asnyc\n") ==
        "c.ini:2: flush = 'asnyc' is neither 'async' nor 'sync'; the nearest is 'async'");
  CHECK(refusal("[store]\nrecord-crc = of\n") ==
        "c.ini:2: record-crc = 'of' is neither 'on' nor 'off'; the nearest is 'off'");
}

TEST_CASE("config: a wrong or missing unit is refused with those there are", "[net]") {
  CHECK(refusal("[store]\nmapped-file-size-commit-log = 1GB\n") ==
        "c.ini:2: mapped-file-size-commit-log = '1GB': unknown unit 'GB'; the nearest is 'GiB'; "
        "there are KiB MiB GiB TiB");
  CHECK(refusal("[dispatcher]\nbackpressure = 1us\n") ==
        "c.ini:2: backpressure = '1us': unknown unit 'us'; there are ms s m h d");
  CHECK(refusal("[store]\nfile-reserved-time = 72\n") ==
        "c.ini:2: file-reserved-time = '72' has no unit; write for example 5s");
  CHECK(refusal("[dispatcher]\nmailbox-capacity = 4k\n") ==
        "c.ini:2: mailbox-capacity = '4k' is not a plain number: 'k' is too much");
  CHECK(refusal("[store]\ndisk-max-used-space-ratio = 75MiB\n") ==
        "c.ini:2: disk-max-used-space-ratio = '75MiB': unknown unit 'MiB'; write for example "
        "75 or 75%");
}

TEST_CASE("config: a value out of range is refused with its range", "[net]") {
  CHECK(refusal("[dispatcher]\nmailbox-capacity = 0\n") ==
        "c.ini:2: mailbox-capacity = '0' is out of range: 1 to 100000000");
  CHECK(refusal("[dispatcher]\nmailbox-capacity = -5\n") ==
        "c.ini:2: mailbox-capacity = '-5' is out of range: 1 to 100000000");
  CHECK(refusal("[node a]\nactor-port = 70000\n") ==
        "c.ini:2: actor-port = '70000' is neither 'off' nor a port: 0 to 65535");
  CHECK(refusal("[store]\nmapped-file-size-commit-log = 4095\n") ==
        "c.ini:2: mapped-file-size-commit-log = '4095' is out of range: 4KiB to 2147483647");
  CHECK(refusal("[store]\nmapped-file-size-consume-queue = 6000001\n") ==
        "c.ini:2: mapped-file-size-consume-queue = '6000001' is not a multiple of 20");
  CHECK(refusal("[flusher]\ndirty-budget = 2GiB\n") == // recovery writes no more anew
        "c.ini:2: dirty-budget = '2GiB' is out of range: 1MiB to 1GiB");
  CHECK(refusal("[store]\ndisk-space-warning-level-ratio = 101\n") ==
        "c.ini:2: disk-space-warning-level-ratio = '101' is out of range: 35 to 90");
  // What would not be carried out is not accepted either.
  CHECK(refusal("[store]\ndisk-space-warning-level-ratio = 95\n").find("35 to 90") !=
        std::string::npos);
  CHECK(refusal("[store]\ndisk-space-clean-forcibly-ratio = 29\n").find("30 to 85") !=
        std::string::npos);
  CHECK(refusal("[store]\nmax-message-size = 33MiB\n").find("1 to 32MiB") != std::string::npos);
  CHECK(refusal("[pull]\nmax-bytes = 33MiB\n").find("1 to 32MiB") != std::string::npos);
  CHECK(refusal("[store]\ndelete-when = 24\n") ==
        "c.ini:2: delete-when = '24' must be hours of the day, 00 to 23, parted by ';'");
  CHECK(refusal("[pull]\nmax-bytes = 9223372036854775808\n") ==
        "c.ini:2: max-bytes = '9223372036854775808' is too large a number");
  CHECK(refusal("[pull]\nmax-bytes = 9223372036854775807KiB\n") ==
        "c.ini:2: max-bytes = '9223372036854775807KiB' is too large a number");
  CHECK(refusal("[pull]\nmax-bytes = much\n") == "c.ini:2: max-bytes = 'much' is not a number");
  CHECK(refusal("[pull]\nmax-bytes =\n") == "c.ini:2: max-bytes = '' is not a number");
}

TEST_CASE("config: settings that contradict each other are refused", "[net]") {
  CHECK(refusal("[store]\nmapped-file-size-commit-log = 64KiB\nmax-message-size = 1MiB\n") ==
        "c.ini:3: max-message-size = 1MiB is more than mapped-file-size-commit-log = 64KiB; "
        "a message must fit into one file");
  CHECK(refusal("[store]\nmax-index-num = 100000000\nmax-hash-slot-num = 100000000\n")
            .find("c.ini:2: an index file of 40") == 0);
  CHECK(refusal("[store]\ndisk-space-clean-forcibly-ratio = 60\n").find("c.ini:2: ") == 0);
  CHECK(refusal("[node a]\nactor-port = 7\nremoting-port = 7\n") ==
        "c.ini:3: remoting-port = 7 of [node a] is taken by another port of 127.0.0.1");
  CHECK(refusal("[node a]\nactor-port = 7\nname-server-port = 7\n") ==
        "c.ini:3: name-server-port = 7 of [node a] is taken by another port of 127.0.0.1");
  CHECK(refusal("[node a]\nname-server-port = of\n") ==
        "c.ini:2: name-server-port = 'of' is neither 'off' nor a port: 0 to 65535");
  CHECK(refusal("[node a]\nname-server-port = 65536\n").find("neither 'off' nor a port") !=
        std::string::npos);
  CHECK(refusal("[node a]\n[node b]\n") ==
        "c.ini:2: actor-port = 10915 of [node b] is taken by another port of 127.0.0.1");
}

TEST_CASE("config: client actors have an address of their own, or no port", "[net]") {
  auto apart = accepted("[node a]\nhost = 10.0.0.1\nactor-port = 7\nremoting-port = 7\n");
  CHECK(apart.nodes[0].actor_host == "127.0.0.1"); // also when the node listens elsewhere
  CHECK(is_loopback(apart.nodes[0].actor_host));
  auto open = accepted("[node a]\nactor-host = 0.0.0.0\n");
  CHECK(open.nodes[0].host == "127.0.0.1");
  CHECK_FALSE(is_loopback(open.nodes[0].actor_host));
  CHECK_FALSE(accepted("[node a]\nactor-port = off\n").nodes[0].actor_port);
  CHECK(refusal("[node a]\nactor-host = somewhere\n").find("is not an IPv4 address") !=
        std::string::npos);
}

TEST_CASE("config: what is given twice is refused and the first place named", "[net]") {
  CHECK(refusal("[store]\nflush = sync\n\nflush = async\n") ==
        "c.ini:4: key 'flush' of [store] is given twice; the first is in line 2");
  CHECK(refusal("[store]\n[writer]\n[store]\n") ==
        "c.ini:3: section [store] is given twice; the first is in line 1");
  CHECK(refusal("[node a]\nroles = all, all\n") ==
        "c.ini:2: roles = 'all, all' must be 'all' alone, for it stands for every role");
  CHECK(refusal("[node a]\nroles = door, writer,door\n") ==
        "c.ini:2: roles = 'door, writer,door' names the role 'door' twice");
}

TEST_CASE("config: a bad node is refused", "[net]") {
  CHECK(refusal("[node]\n") == "c.ini:1: a node needs a name: [node NAME]");
  CHECK(refusal("[node a/b]\n") ==
        "c.ini:1: bad node name 'a/b': at most 64 letters, digits, '-', '_' and '.'");
  CHECK(refusal("[node a]\nhost = example.org\n") ==
        "c.ini:2: host = 'example.org' is not an IPv4 address such as 127.0.0.1 "
        "(message ids hold the address itself)");
  CHECK(refusal("[node a]\ndirectory =\n") == "c.ini:2: directory = '' must name a directory");
}

TEST_CASE("config: what is no INI file is refused with its line", "[net]") {
  CHECK(refusal("[store]\nflush\n").find("c.ini:2: ") == 0);
  CHECK(refusal("[store\n").find("c.ini:1: ") == 0);
  CHECK(refusal("flush = sync\n") == "c.ini:1: key 'flush' stands before any [section]");
  CHECK(refusal(std::string("[store]\0", 8)).find("zero byte") != std::string::npos);
}

TEST_CASE("config: a file's directories count from the file", "[net]") {
  test::temporary_directory dir;
  std::ofstream(dir / "c.ini")
      << "[node a]\n[node b]\nactor-port=1\nremoting-port=2\nname-server-port=0\n"
         "directory=/b\n";
  auto c = load_config(dir / "c.ini");
  REQUIRE(c);
  CHECK(c.value().nodes[0].directory == dir / "data");
  CHECK(c.value().nodes[1].directory == "/b");
}

TEST_CASE("config: a file that cannot be read is named", "[net]") {
  test::temporary_directory dir;
  auto c = load_config(dir / "none.ini");
  REQUIRE(!c);
  CHECK(c.error().code == errc::not_found);
  CHECK(c.error().message.find(dir / "none.ini") != std::string::npos);
  CHECK(!load_config(dir.path()));
}

TEST_CASE("config: a node is chosen by name, the first one without", "[net]") {
  auto c = accepted("[node one]\nremoting-port = 9\n[node two]\nhost = 10.1.2.3\n"
                    "directory = x\nremoting-port = 7\n");
  CHECK(select_node(c, std::nullopt).value().name == "one");
  auto two = select_node(c, "two");
  REQUIRE(two);
  auto o = options_of(c, two.value());
  CHECK(o.store.directory == "x");
  CHECK(o.store.store_host_ipv4 == 0x0a010203);
  CHECK(o.store.store_port == 7);
  auto none = select_node(c, "tow");
  REQUIRE(!none);
  CHECK(none.error().code == errc::not_found);
  CHECK(none.error().message == "no node 'tow' in the configuration; the nearest is 'two'; "
                                "there are one two");
  CHECK(select_node(c, "zebra").error().message ==
        "no node 'zebra' in the configuration; there are one two");
}

TEST_CASE("config: routes and message ids never name every address", "[net]") {
  CHECK(refusal("[node a]\n\nhost = 0.0.0.0\n") ==
        "c.ini:3: host = 0.0.0.0 of [node a] listens at every address of this machine, but routes "
        "and message ids name one: give it as advertised-host");
  auto open = accepted("[node a]\nhost = 0.0.0.0\nadvertised-host = 10.1.2.3\n");
  CHECK(open.nodes[0].host == "0.0.0.0");
  CHECK(open.nodes[0].advertised() == "10.1.2.3");
  CHECK(options_of(open, open.nodes[0]).store.store_host_ipv4 == 0x0a010203);
  CHECK(accepted("[node a]\nhost = 10.1.2.3\nadvertised-host = host\n").nodes[0].advertised() ==
        "10.1.2.3");
  // On two machines, though the file has one text for both.
  accepted("[node a]\nhost = 0.0.0.0\nadvertised-host = 10.1.2.3\n"
           "[node b]\nhost = 0.0.0.0\nadvertised-host = 10.1.2.4\n");
  for (auto wrong : {"0.0.0.0", "example.org", "1.2.3", ""})
    CHECK(refusal("[node a]\nadvertised-host = " + std::string(wrong) + "\n")
              .find("is not the IPv4 address of one machine") != std::string::npos);
}

TEST_CASE("config: the help names every key with its default and its range", "[net]") {
  auto help = config_help();
  CHECK(help.find("[dispatcher]\n  mailbox-capacity = 400000\n") != std::string::npos);
  CHECK(help.find("(1 to 100000000)\n") != std::string::npos);
  CHECK(help.find("[node NAME]\n  host = 127.0.0.1\n") != std::string::npos);
}

TEST_CASE("config: [tls] takes three files or none", "[net]") {
  CHECK_FALSE(accepted("").tls.given());
  CHECK_FALSE(accepted("[tls]\ncertificate = off\n").tls.given());
  const std::string files = "[tls]\ncertificate = n.pem\nkey = n.key\nca = ca.pem\n";
  auto c = accepted(files);
  CHECK(c.tls.certificate == "n.pem");
  CHECK(c.tls.key == "n.key");
  CHECK(c.tls.ca == "ca.pem");
  CHECK(refusal("[tls]\ncertificate = n.pem\nca = ca.pem\n") ==
        "c.ini:1: [tls] lacks key: it takes certificate, key and ca, all three or none");
  CHECK(refusal("[tls]\nkey =\n") == "c.ini:2: key = '' must name a file in PEM form, or be 'off'");
  CHECK(refusal(files + "[actor-port]\ninsecure = on\n") ==
        "c.ini:6: insecure = on stands beside [tls], which encrypts every actor port: take one of "
        "them out");
}

TEST_CASE("config: an actor port beyond the machine takes [tls], or to be said aloud", "[net]") {
  auto check = [](const std::string& text) {
    auto c = accepted(text);
    auto checked = check_actor_host(c, c.nodes[0]);
    return checked ? std::string() : checked.error().message;
  };
  const std::string open = "[node a]\nactor-host = 10.0.0.1\n";
  CHECK(check("").empty());
  CHECK(check("[node a]\nactor-host = 127.0.0.2\n").empty());
  CHECK(check(open).starts_with("c.ini:2: actor-host = 10.0.0.1 of [node a] is open beyond"));
  CHECK_FALSE(check("[node a]\nactor-host = 0.0.0.0\n").empty());
  CHECK_FALSE(check(open + "[actor-port]\ninsecure = off\n").empty());
  CHECK(check(open + "actor-port = off\n").empty());
  CHECK(check(open + "[actor-port]\ninsecure = on\n").empty());
  CHECK(check(open + "[tls]\ncertificate = n.pem\nkey = n.key\nca = ca.pem\n").empty());
}

TEST_CASE("config: the files of [tls] lie beside the configuration", "[net]") {
  temporary_directory directory;
  std::ofstream(directory / "c.ini")
      << "[tls]\ncertificate = n.pem\nkey = /k/n.key\nca = x/ca.pem\n";
  auto loaded = load_config(directory / "c.ini");
  REQUIRE(loaded);
  CHECK(loaded.value().tls.certificate == directory / "n.pem");
  CHECK(loaded.value().tls.key == "/k/n.key");
  CHECK(loaded.value().tls.ca == directory / "x/ca.pem");
}

TEST_CASE("config: TLS of RocketMQ clients takes certificate and key, and they take TLS", "[net]") {
  CHECK(accepted("").gateway.tls == tls_mode::off);
  const std::string files = "tls-certificate = n.pem\ntls-key = n.key\n";
  auto c = accepted("[gateway]\ntls = permissive\n" + files);
  CHECK(c.gateway.tls == tls_mode::permissive);
  CHECK(c.gateway.tls_certificate == "n.pem");
  CHECK(c.gateway.tls_key == "n.key");
  CHECK(c.gateway.tls_ca.empty());
  CHECK(accepted("[gateway]\ntls = required\ntls-ca = ca.pem\n" + files).gateway.tls_ca ==
        "ca.pem");
  CHECK(refusal("[gateway]\ntls = on\n") ==
        "c.ini:2: tls = 'on' is none of off, permissive, required");
  CHECK(refusal("[gateway]\ntls = required\ntls-key = n.key\n") ==
        "c.ini:2: tls in [gateway] takes tls-certificate and tls-key (docs/operating.md)");
  CHECK(refusal("[gateway]\n" + files) ==
        "c.ini:2: tls-certificate is given, but tls is off: say tls = permissive or required in "
        "[gateway], or take it out");
  CHECK(refusal("[gateway]\naccounts =\n") ==
        "c.ini:2: accounts = '' must name a file, or be 'off'");
}

TEST_CASE("config: the files of [gateway] lie beside the configuration", "[net]") {
  temporary_directory directory;
  std::ofstream(directory / "c.ini") << "[gateway]\naccounts = acl.yml\ntls = required\n"
                                        "tls-certificate = n.pem\ntls-key = /k/n.key\n";
  auto loaded = load_config(directory / "c.ini");
  REQUIRE(loaded);
  CHECK(loaded.value().gateway.accounts == directory / "acl.yml");
  CHECK(loaded.value().gateway.tls_certificate == directory / "n.pem");
  CHECK(loaded.value().gateway.tls_key == "/k/n.key");
  CHECK(loaded.value().gateway.tls_ca.empty());
}

TEST_CASE("config: what of the log is said", "[net]") {
  auto c = accepted("[log]\nlevel = warning\nrepeats = 0\n");
  CHECK(c.log.level == storage::log_level::warning);
  CHECK(c.log.repeats == 0);
  CHECK(accepted("").log.repeats == storage::usual_log_repeats);
  CHECK(refusal("[log]\nlevel = loud\n") ==
        "c.ini:2: level = 'loud' is none of info, warning, error");
}
