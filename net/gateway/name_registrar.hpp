#pragma once

#include "net/gateway/options.hpp"
#include "net/remoting/route.hpp"
#include "storage/tables/topic_info.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// Registers a node with other name servers, Java's or those of other nodes, over one connection to
/// each and on a thread of its own. When it registers is `name_link`'s to say. One that is away is
/// dialled again and again, and says so once.
class name_registrar {
public:
  using topics = std::shared_ptr<const std::map<std::string, storage::topic_info>>;

  struct setup {
    std::vector<name_server> servers;
    remoting::broker_address address;
    bool auto_create_topics = true; ///< clients learn here where new topics may be made
  };

  /// Nothing is registered before `set_topics`. Fails without a thread.
  static storage::result<std::unique_ptr<name_registrar>> start(setup with);
  ~name_registrar();
  name_registrar(const name_registrar&) = delete;
  name_registrar& operator=(const name_registrar&) = delete;

  /// What the node has, when it is known and whenever it is other than before. For any thread, also
  /// after `stop`; it does not block.
  using topic_sink = std::function<void(topics)>;
  topic_sink sink() const;

  /// Unregisters everywhere, as far as that takes no more than 2 s. From the thread that started
  /// it.
  void stop();

private:
  struct parts;
  explicit name_registrar(std::shared_ptr<parts> p);
  std::shared_ptr<parts> parts_;
};

} // namespace troupe::net
