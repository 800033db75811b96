#include "net/config_table.hpp"

#include "actors/queue_share.hpp"
#include "net/config_texts.hpp"

#include <array>

namespace troupe::net {

using storage::gib;
using storage::kib;
using storage::mib;

namespace {

constexpr std::int64_t second = 1000;
constexpr std::int64_t hour = 3600 * second;
constexpr std::int64_t day = 24 * hour;
/// Java counts file sizes in 32-bit integers.
constexpr std::int64_t largest_file = 0x7fffffff;
/// One answer, a record with its header and properties included, stays well below
/// `max_block_bytes`.
constexpr std::int64_t largest_answer = 32 * mib;
constexpr std::int64_t tebibyte = static_cast<std::int64_t>(1024 * gib);

std::int64_t to_number(milliseconds value) {
  return value.count();
}
template <class Integer>
std::int64_t to_number(Integer value) {
  return static_cast<std::int64_t>(value);
}
void from_number(milliseconds& field, std::int64_t value) {
  field = milliseconds(value);
}
template <class Integer>
void from_number(Integer& field, std::int64_t value) {
  field = static_cast<Integer>(value);
}

struct range {
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::int64_t step = 1;
};

/// A number at `options.*Part.*Field`.
template <auto Part, auto Field>
constexpr setting number(std::string_view section, std::string_view key, quantity kind, range r,
                         std::string_view about) {
  return {.section = section,
          .key = key,
          .kind = kind,
          .least = r.least,
          .most = r.most,
          .step = r.step,
          .about = about,
          .number = [](const cluster_config& c,
                       const node_config&) { return to_number((c.options.*Part).*Field); },
          .set_number = [](cluster_config& c, node_config&,
                           std::int64_t value) { from_number((c.options.*Part).*Field, value); }};
}

constexpr setting queue_managers = {
    .section = "node",
    .key = "queue-managers",
    .kind = quantity::count,
    .least = 1,
    .most = most_queue_shares,
    .about = "Of the role queue-manager: so many run here, each with a share of the queues in a "
             "directory below this one.",
    .number = [](const cluster_config&,
                 const node_config& n) { return std::int64_t{n.queue_managers}; },
    .set_number = [](cluster_config&, node_config& n,
                     std::int64_t value) { n.queue_managers = static_cast<std::uint32_t>(value); }};

/// A number at `*Part.*Field` of what is no option of the actors.
template <auto Part, auto Field>
constexpr setting door(std::string_view section, std::string_view key, quantity kind, range r,
                       std::string_view about) {
  return {.section = section,
          .key = key,
          .kind = kind,
          .least = r.least,
          .most = r.most,
          .step = r.step,
          .about = about,
          .number = [](const cluster_config& c,
                       const node_config&) { return to_number((c.*Part).*Field); },
          .set_number = [](cluster_config& c, node_config&,
                           std::int64_t value) { from_number((c.*Part).*Field, value); }};
}

/// A number at `gateway.*Field`.
template <auto Field>
constexpr setting gateway(std::string_view key, quantity kind, range r, std::string_view about) {
  return door<&cluster_config::gateway, Field>("gateway", key, kind, r, about);
}

/// A number at `actor_port.*Field`.
template <auto Field>
constexpr setting actors(std::string_view key, quantity kind, range r, std::string_view about) {
  return door<&cluster_config::actor_port, Field>("actor-port", key, kind, r, about);
}

/// A port number of a node.
template <auto Field>
constexpr setting port(std::string_view key, std::string_view about) {
  return {.section = "node",
          .key = key,
          .kind = quantity::count,
          .most = 65535,
          .about = about,
          .number = [](const cluster_config&, const node_config& n) { return to_number(n.*Field); },
          .set_number = [](cluster_config&, node_config& n,
                           std::int64_t value) { from_number(n.*Field, value); }};
}

using text_getter = std::string (*)(const cluster_config&, const node_config&);
using text_setter = std::string (*)(cluster_config&, node_config&, std::string_view);

constexpr setting text(std::string_view section, std::string_view key, std::string_view about,
                       text_getter get, text_setter set) {
  return {.section = section,
          .key = key,
          .kind = quantity::text,
          .about = about,
          .text = get,
          .set_text = set};
}

using q = quantity;
constexpr auto store = &node_options::store;
constexpr auto queues = &node_options::queue_manager;
constexpr auto sessions = &node_options::session;

const std::array table = {
    text(
        "cluster", "name", "What the nodes of one cluster share.",
        [](const cluster_config& c, const node_config&) { return c.cluster_name; },
        set_cluster_name),
    setting{.section = "cluster",
            .key = "stop-deadline",
            .kind = q::duration,
            .least = 1,
            .most = day,
            .about = "An orderly stop that takes longer ends with an error and leaves `abort`.",
            .number = [](const cluster_config& c,
                         const node_config&) { return to_number(c.options.stop_deadline); },
            .set_number = [](cluster_config& c, node_config&,
                             std::int64_t value) { from_number(c.options.stop_deadline, value); }},

    text(
        "store", "flush", "async: acknowledge when written; sync: when on the disk (group commit).",
        [](const cluster_config& c, const node_config&) -> std::string {
          return c.options.store.flush == storage::flush_policy::async ? "async" : "sync";
        },
        set_flush),
    number<store, &storage::options::log_file_size_bytes>(
        "store", "mapped-file-size-commit-log", q::bytes, {4 * kib, largest_file},
        "Size of one commit-log file. Never change it under existing data."),
    number<store, &storage::options::queue_file_size_bytes>(
        "store", "mapped-file-size-consume-queue", q::bytes, {20, largest_file, 20},
        "Size of one consume-queue file: 20 bytes a message. Never change it under existing data."),
    number<store, &storage::options::index_slots>(
        "store", "max-hash-slot-num", q::count, {1, 100'000'000},
        "Hash slots of one index file. Never change it under existing data."),
    number<store, &storage::options::index_entries>(
        "store", "max-index-num", q::count, {2, 100'000'000},
        "Entries of one index file. Never change it under existing data."),
    number<store, &storage::options::max_message_size_bytes>(
        "store", "max-message-size", q::bytes, {1, largest_answer},
        "Largest body. Unless given, it shrinks to the size of a commit-log file."),
    number<store, &storage::options::record_crc>(
        "store", "record-crc", q::on_off, {0, 1},
        "Append RocketMQ 5's CRC of the whole record, which also covers header and properties."),
    number<store, &storage::options::max_topics>(
        "store", "max-topics", q::count, {1, 50'000},
        "Topics that may be, retry topics included; more are refused."),
    text("store", "message-delay-level",
         "How long messages of each delay level wait: RocketMQ's messageDelayLevel.", delays_text,
         set_delays),
    number<store, &storage::options::file_reserved_time_ms>(
        "store", "file-reserved-time", q::duration, {0, 36500 * day},
        "A commit-log file may go when its last write is this long ago."),
    text("store", "delete-when", "Hours of the day at which expired files go, parted by ';'.",
         delete_when_text, set_delete_when),
    number<store, &storage::options::disk_max_used_percent>(
        "store", "disk-max-used-space-ratio", q::percent, {1, 85},
        "Disk use above which expired files go at any hour."),
    number<store, &storage::options::disk_clean_forcibly_percent>(
        "store", "disk-space-clean-forcibly-ratio", q::percent, {30, 85},
        "Disk use above which the oldest files go even if not expired."),
    number<store, &storage::options::clean_file_forcibly>(
        "store", "clean-file-forcibly-enable", q::on_off, {0, 1},
        "off: they stay, and the node refuses writes instead when the disk is full."),
    number<store, &storage::options::disk_warning_percent>(
        "store", "disk-space-warning-level-ratio", q::percent, {35, 90},
        "Disk use above which writes are refused; reads go on."),
    number<store, &storage::options::destroy_mapped_file_interval_ms>(
        "store", "destroy-mapped-file-interval", q::duration, {0, day},
        "How long a deleted file may still be held by a reader."),
    number<store, &storage::options::queue_write_retries>(
        "store", "queue-write-retries", q::count, {1, 1000},
        "Failed writes of the queues in a row, 100 ms apart, before writing stops."),
    number<store, &storage::options::scan_threads>(
        "store", "scan-threads", q::count, {0, 1024},
        "Threads that check the log at a start; 0 is one a core."),
    number<&node_options::transaction, &transaction_options::timeout>(
        "store", "transaction-timeout", q::duration, {1, day},
        "After this time a producer is asked what becomes of its transaction's message."),
    number<&node_options::transaction, &transaction_options::check_interval>(
        "store", "transaction-check-interval", q::duration, {1, day},
        "Time between two such questions."),
    number<&node_options::transaction, &transaction_options::check_max>(
        "store", "transaction-check-max", q::count, {1, 10'000},
        "So many questions; then the message is given up (TRANS_CHECK_MAX_TIME_TOPIC)."),

    number<&node_options::writer, &writer_options::parked_bytes>(
        "writer", "parked-bytes", q::bytes, {1, tebibyte},
        "Bytes of requests that may wait for room or for a file; more are refused as busy."),
    number<&node_options::writer, &writer_options::parked_deadline>(
        "writer", "parked-deadline", q::duration, {1, hour},
        "How long a request may wait for them before it is refused as busy."),

    number<&node_options::dispatcher, &dispatcher_options::mailbox_capacity>(
        "dispatcher", "mailbox-capacity", q::count, {1, 100'000'000},
        "Messages appended but not yet in their queues; at most this many, exactly."),
    number<&node_options::dispatcher, &dispatcher_options::backpressure>(
        "dispatcher", "backpressure", q::duration, {1, 60 * second},
        "How long a request is delayed at a time while that bound is reached."),

    number<&node_options::flusher, &flusher_options::dirty_budget_bytes>(
        "flusher", "dirty-budget", q::bytes, {mib, storage::gib},
        "Bytes not yet on the disk above which writers are held back."),
    number<&node_options::flusher, &flusher_options::interval>(
        "flusher", "flush-interval", q::duration, {0, 10 * second},
        "Time between two flushes of the log while nobody waits for one (flush = async)."),
    number<&node_options::flusher, &flusher_options::queue_interval>(
        "flusher", "queue-interval", q::duration, {1, hour},
        "Time between two syncs of queues, index and checkpoint."),

    number<queues, &queue_manager_options::tail_entries>(
        "queue-manager", "tail-entries", q::count, {1, 1'000'000},
        "Entries of one queue that are gathered in memory before they are written."),
    number<queues, &queue_manager_options::open_files>(
        "queue-manager", "open-files", q::count, {0, 1'000'000},
        "Queue files kept open; 0: as the process's limit allows."),
    number<queues, &queue_manager_options::parked_pulls>(
        "queue-manager", "parked-pulls", q::count, {0, 10'000'000},
        "Pulls that may wait for a message to come."),

    number<&node_options::cleaner, &cleaner_options::interval>(
        "cleaner", "interval", q::duration, {1, day}, "Time between two looks at disk and files."),

    number<&node_options::pull, &pull_options::max_messages>(
        "pull", "max-messages", q::count, {1, 1'000'000},
        "Messages of one answer; the client's own limit counts if smaller."),
    number<&node_options::pull, &pull_options::max_bytes>(
        "pull", "max-bytes", q::bytes, {1, largest_answer},
        "Bytes of one answer; one message always fits."),
    number<&node_options::pull, &pull_options::readers>("pull", "readers", q::count, {1, 256},
                                                        "Threads that read messages from the log."),

    number<sessions, &session_options::credit_messages>(
        "session", "credit-messages", q::count, {1, 100'000'000},
        "Messages, and requests of other kinds, of one client that may be unanswered."),
    number<sessions, &session_options::credit_bytes>("session", "credit-bytes", q::bytes,
                                                     {1, tebibyte},
                                                     "Bytes of one client that may be unanswered."),
    number<sessions, &session_options::deadline>(
        "session", "deadline", q::duration, {1, hour},
        "After this time a request is answered with an error, \"maybe stored\" once appended."),
    number<sessions, &session_options::sessions>("session", "sessions", q::count, {1, 1'000'000},
                                                 "Clients of the actor port at the same time."),
    number<sessions, &session_options::program_sessions>(
        "session", "program-sessions", q::count, {1, 1'000'000}, "Those of one client program."),

    actors<&actor_port_options::connections>(
        "connections", q::count, {1, 100'000},
        "Client programs at the same time; more are closed at once."),
    actors<&actor_port_options::address_connections>("address-connections", q::count, {1, 100'000},
                                                     "Those of one address."),
    actors<&actor_port_options::unread_bytes>(
        "unread-bytes", q::bytes, {mib, tebibyte},
        "A program that leaves more of its answers unread is disconnected."),
    actors<&actor_port_options::greeting_time>("greeting-time", q::duration, {100, hour},
                                               "Time to say who it is after connecting."),
    actors<&actor_port_options::frame_time>("frame-time", q::duration, {second, day},
                                            "Time to complete a message that began."),
    actors<&actor_port_options::remote_stop>(
        "remote-stop", q::on_off, {0, 1},
        "Let other machines stop the node (troupe stop); nobody asks who they are."),

    door<&cluster_config::admin, &admin_options::connections>(
        "admin", "connections", q::count, {1, 10'000},
        "Connections to admin-port at the same time; more are closed at once."),
    door<&cluster_config::admin, &admin_options::series>(
        "admin", "series", q::count, {100, 1'000'000},
        "Series of metrics in one answer; topics and groups beyond are summed as `other`."),
    setting{.section = "actor-port",
            .key = "insecure",
            .kind = q::on_off,
            .most = 1,
            .about = "Let an actor-host beyond this machine be open without [tls].",
            .number = [](const cluster_config& c,
                         const node_config&) { return to_number(c.insecure); },
            .set_number = [](cluster_config& c, node_config&,
                             std::int64_t value) { from_number(c.insecure, value); }},

    text("tls", "certificate",
         "PEM file, relative to this one, that nodes show and commands too; off: plain bytes.",
         tls_text<&tls_files::certificate>, set_tls<&tls_files::certificate>),
    text("tls", "key", "Its key, without a passphrase.", tls_text<&tls_files::key>,
         set_tls<&tls_files::key>),
    text("tls", "ca", "The authority: whoever shows no certificate of it is refused.",
         tls_text<&tls_files::ca>, set_tls<&tls_files::ca>),

    gateway<&gateway_options::enabled>("enabled", q::on_off, {0, 1},
                                       "Let RocketMQ clients in at remoting-port."),
    gateway<&gateway_options::connections>("connections", q::count, {1, 100'000},
                                           "Their connections at the same time."),
    gateway<&gateway_options::connections_per_address>(
        "connections-per-address", q::count, {0, 100'000},
        "The same of one address; 0: half of connections."),
    gateway<&gateway_options::connections_per_account>(
        "connections-per-account", q::count, {0, 100'000},
        "The same of one account, where accounts are asked for; 0: no limit."),
    gateway<&gateway_options::requests_per_address>(
        "requests-per-address", q::count, {0, 1'000'000'000},
        "Open requests of one address, held pulls among them; 0: no limit."),
    gateway<&gateway_options::requests_per_account>("requests-per-account", q::count,
                                                    {0, 1'000'000'000},
                                                    "The same of one account; 0: no limit."),
    gateway<&gateway_options::new_topics_per_address>(
        "new-topics-per-address", q::count, {0, 1'000'000},
        "Topics that requests of one address may create in an hour; 0: no limit."),
    gateway<&gateway_options::new_topics_per_account>("new-topics-per-account", q::count,
                                                      {0, 1'000'000},
                                                      "The same of one account; 0: no limit."),
    gateway<&gateway_options::new_groups_per_address>(
        "new-groups-per-address", q::count, {0, 1'000'000},
        "Groups, with their retry topics, that those of one address may create in an hour."),
    gateway<&gateway_options::new_groups_per_account>("new-groups-per-account", q::count,
                                                      {0, 1'000'000},
                                                      "The same of one account; 0: no limit."),
    gateway<&gateway_options::connection_bytes>(
        "connection-bytes", q::bytes, {64 * kib, tebibyte},
        "Unanswered requests and unread answers of one; above it is not read from."),
    gateway<&gateway_options::total_bytes>(
        "total-bytes", q::bytes, {64 * kib, tebibyte},
        "Requests and unfinished frames of all; none has more than it leaves to others."),
    gateway<&gateway_options::unread_bytes>(
        "unread-bytes", q::bytes, {64 * kib, tebibyte},
        "Unread answers of all; above it the connection with the most is closed."),
    gateway<&gateway_options::idle_time>("idle-time", q::duration, {second, day},
                                         "A connection from which nothing comes is closed."),
    gateway<&gateway_options::frame_time>(
        "frame-time", q::duration, {second, day},
        "Time to complete a frame that began, or to take some of an answer."),
    gateway<&gateway_options::auto_create_topics>("auto-create-topics", q::on_off, {0, 1},
                                                  "Create a topic at the first message for it."),
    gateway<&gateway_options::property_filter>(
        "property-filter", q::on_off, {0, 1},
        "Compare messages with SQL92 expressions of subscriptions."),
    gateway<&gateway_options::vip_channel>(
        "vip-channel", q::on_off, {0, 1},
        "Listen at remoting-port - 2 too, which old clients and tools dial first."),
    text("gateway", "accounts",
         "File of those who may come in, as RocketMQ's plain_acl.yml; off: whoever reaches it.",
         gateway_file_text<&gateway_options::accounts>,
         set_gateway_file<&gateway_options::accounts>),
    text("gateway", "tls", "off, permissive (TLS for those who begin so), or required.",
         tls_mode_text, set_tls_mode),
    text("gateway", "tls-certificate", "PEM file, relative to this one, that is shown to clients.",
         gateway_file_text<&gateway_options::tls_certificate>,
         set_gateway_file<&gateway_options::tls_certificate>),
    text("gateway", "tls-key", "Its key, without a passphrase.",
         gateway_file_text<&gateway_options::tls_key>, set_gateway_file<&gateway_options::tls_key>),
    text("gateway", "tls-ca", "Clients show a certificate of it; off: they need none.",
         gateway_file_text<&gateway_options::tls_ca>, set_gateway_file<&gateway_options::tls_ca>),
    text("gateway", "name-servers",
         "Other name servers to register with, Java's or other nodes': host:port, parted by ';'.",
         name_servers_text, set_name_servers),

    text("log", "level", "info, warning or error: what is less is not said. SIGHUP reads it anew.",
         log_level_text, set_log_level),
    door<&cluster_config::log, &log_options::repeats>(
        "log", "repeats", q::count, {0, 1'000'000},
        "So often a minute the same line is said, beyond that it is counted; 0: always said."),

    text(
        "node", "host", "IPv4 address to listen at; 0.0.0.0: at all of the machine's.",
        [](const cluster_config&, const node_config& n) { return n.host; },
        set_address<&node_config::host>),
    text("node", "advertised-host",
         "IPv4 address that clients are sent to and message ids carry; host: that one.",
         advertised_host_text, set_advertised_host),
    text(
        "node", "actor-host",
        "IPv4 address for client actors and commands. Whoever reaches it may do everything.",
        [](const cluster_config&, const node_config& n) { return n.actor_host; },
        set_address<&node_config::actor_host>),
    text("node", "actor-port",
         "Port for client actors and commands; 0: any; off: nobody is let in.",
         optional_port_text<&node_config::actor_port>, set_optional_port<&node_config::actor_port>),
    port<&node_config::remoting_port>("remoting-port",
                                      "Port for RocketMQ clients; message ids carry it; 0: any."),
    text(
        "node", "admin-host", "IPv4 address of admin-port. Whoever reaches it sees everything.",
        [](const cluster_config&, const node_config& n) { return n.admin_host; },
        set_address<&node_config::admin_host>),
    text("node", "admin-port",
         "HTTP port with the state of the node; 0: any; off: none. Unless given: only with a door.",
         optional_port_text<&node_config::admin_port>, set_optional_port<&node_config::admin_port>),
    text("node", "admin-hosts",
         "Names by which browsers may ask there, beside the address, parted by ';'; off: none.",
         admin_hosts_text, set_admin_hosts),
    text("node", "name-server-port",
         "Port where RocketMQ clients ask for routes; 0: any; off: use another name server.",
         optional_port_text<&node_config::name_server_port>,
         set_optional_port<&node_config::name_server_port>),
    text("node", "name-servers",
         "The same as name-servers of [gateway], for this node; gateway: those; off: none.",
         node_name_servers_text, set_node_name_servers),
    text(
        "node", "directory", "Where the data lies, relative to this file.",
        [](const cluster_config&, const node_config& n) { return n.directory; }, set_directory),
    text("node", "roles",
         "all, or some of: writer flusher cleaner readers dispatcher queue-manager registrar door, "
         "parted by ','. The nodes that name some are one store together.",
         roles_text, set_roles),
    queue_managers,
};

constexpr std::array<std::string_view, 16> sections = {
    "cluster", "store",      "writer", "dispatcher", "flusher", "queue-manager", "cleaner", "pull",
    "session", "actor-port", "admin",  "tls",        "gateway", "log",           "caf",     "node"};

} // namespace

std::span<const setting> settings() {
  return table;
}

std::span<const std::string_view> section_names() {
  return sections;
}

} // namespace troupe::net
