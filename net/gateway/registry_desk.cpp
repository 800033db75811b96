#include "net/gateway/registry_desk.hpp"

#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/registration.hpp"
#include "storage/logging.hpp"

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

} // namespace

request_lines registry_desk::lines() {
  return {
      line_for(this, request_code::register_broker, request_kind::news,
               &registry_desk::register_broker),
      line_for(this, request_code::unregister_broker, request_kind::news,
               &registry_desk::unregister_broker),
      line_for(this, request_code::broker_heartbeat, request_kind::news,
               &registry_desk::take_heartbeat),
      line_for(this, request_code::query_data_version, request_kind::bounded,
               &registry_desk::compare_version),
      line_for(this, request_code::put_kv_config, request_kind::bounded, &registry_desk::put_kv),
      line_for(this, request_code::get_kv_config, request_kind::bounded, &registry_desk::get_kv),
      line_for(this, request_code::delete_kv_config, request_kind::bounded,
               &registry_desk::delete_kv),
      line_for(this, request_code::get_kvlist_by_namespace, request_kind::bounded,
               &registry_desk::list_kv),
      line_for(this, request_code::get_namesrv_config, request_kind::bounded,
               &registry_desk::show_settings),
  };
}

// -- brokers -------------------------------------------------------------------------------------

void registry_desk::register_broker(const ticket& who, const client_request& request) {
  auto header = counter_.fields_of<remoting::register_header>(who, request);
  if (!header)
    return;
  names_.forget_silent();
  auto known = names_.others().version_of(*header) != nullptr;
  auto enter = [&]() -> storage::result<remoting::registered_header> {
    TROUPE_TRY(auto what,
               remoting::read_registration(*header, request.header.version, request.body.bytes()));
    return names_.others().enter(who.from, *header, what, counter_.now_ms());
  };
  auto entered = enter();
  if (entered.has_error()) {
    if (auto unsaid = refused_.take())
      storage::log_warning("registry.refused", {{"broker", header->broker.substr(0, 100)},
                                                {"address", header->address.substr(0, 100)},
                                                {"reason", entered.error().message},
                                                {"unsaid", *unsaid}});
    return counter_.fail(who, entered.error());
  }
  if (!known && names_.others().version_of(*header) != nullptr)
    names_.say_registered(header->broker, header->address);
  auto orders = names_.kv().list(std::string(remoting::order_topics));
  counter::slices body;
  if (orders)
    body.push_back(storage::slice::copy_of_text(*orders));
  counter_.succeed(who, std::move(entered.value()), std::move(body));
}

void registry_desk::unregister_broker(const ticket& who, const client_request& request) {
  auto header = counter_.fields_of<remoting::broker_header>(who, request);
  if (!header)
    return;
  if (names_.others().leave(*header))
    names_.say_gone({header->broker}, "it unregistered");
  counter_.reply(who, response_code::success, {});
}

void registry_desk::take_heartbeat(const ticket& who, const client_request& request) {
  auto header = counter_.fields_of<remoting::heartbeat_header>(who, request);
  if (!header)
    return;
  names_.others().touch(*header, counter_.now_ms());
  counter_.reply(who, response_code::success, {});
}

/// Brokers ask before they register, and leave it when nothing is new: as good as a registration.
void registry_desk::compare_version(const ticket& who, const client_request& request) {
  auto header = counter_.fields_of<remoting::broker_header>(who, request);
  if (!header)
    return;
  auto theirs = remoting::read_data_version(request.body.bytes());
  if (theirs.has_error())
    return counter_.fail(who, theirs.error());
  names_.forget_silent();
  names_.others().touch(*header, counter_.now_ms());
  auto* ours = names_.others().version_of(*header);
  counter::slices body;
  if (ours != nullptr)
    body.push_back(storage::slice::copy_of_text(remoting::write_data_version(*ours)));
  bool changed = ours == nullptr || !(*ours == theirs.value());
  counter_.succeed(who, remoting::changed_header{changed}, std::move(body));
}

// -- what operators keep -------------------------------------------------------------------------

void registry_desk::save_kv() {
  if (setup_.save_kv)
    setup_.save_kv(names_.kv().write());
}

void registry_desk::put_kv(const ticket& who, const client_request& request) {
  auto header = counter_.fields_of<remoting::kv_header>(who, request);
  if (!header)
    return;
  if (auto put = names_.kv().put(header->space, header->key, header->value); !put)
    return counter_.fail(who, put.error());
  save_kv();
  counter_.reply(who, response_code::success, {});
}

void registry_desk::get_kv(const ticket& who, const client_request& request) {
  auto header = counter_.fields_of<remoting::kv_key_header>(who, request);
  if (!header)
    return;
  if (auto* value = names_.kv().find(header->space, header->key))
    return counter_.succeed(who, remoting::kv_value_header{*value});
  counter_.reply(who, response_code::query_not_found,
                 "No config item, Namespace: " + header->space + " Key: " + header->key);
}

void registry_desk::delete_kv(const ticket& who, const client_request& request) {
  auto header = counter_.fields_of<remoting::kv_key_header>(who, request);
  if (!header)
    return;
  if (names_.kv().remove(header->space, header->key))
    save_kv();
  counter_.reply(who, response_code::success, {});
}

void registry_desk::list_kv(const ticket& who, const client_request& request) {
  auto header = counter_.fields_of<remoting::kv_space_header>(who, request);
  if (!header)
    return;
  if (auto table = names_.kv().list(header->space))
    return counter_.reply_text(who, *table);
  counter_.reply(who, response_code::query_not_found,
                 "No config item, Namespace: " + header->space);
}

/// What of a Java name server's settings has a meaning here.
void registry_desk::show_settings(const ticket& who, const client_request&) {
  auto idle = std::chrono::duration_cast<std::chrono::seconds>(setup_.options.idle_time);
  counter_.reply_text(who, remoting::write_properties(
                               {{"listenAddress", setup_.address.address},
                                {"serverChannelMaxIdleTimeSeconds", std::to_string(idle.count())},
                                {"clusterTest", "false"},
                                {"orderMessageEnable", "false"},
                                {"returnOrderTopicConfigToBroker", "true"},
                                {"deleteTopicWithBrokerRegistration", "false"},
                                {"supportActingMaster", "false"},
                                {"enableAllTopicList", "true"}}));
}

} // namespace troupe::net
