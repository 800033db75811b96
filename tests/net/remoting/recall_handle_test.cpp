#include "net/remoting/recall_handle.hpp"
#include "tests/support/catch.hpp"

using namespace troupe::net::remoting;

TEST_CASE("recall handle: as RocketMQ's", "[remoting]") {
  // Base64 of: v1 t b 1700000000001 K
  auto text = write_recall_handle({"t", "b", 1'700'000'000'001, "K"});
  CHECK(text == "djEgdCBiIDE3MDAwMDAwMDAwMDEgSw==");
  for (auto& same : {text, text.substr(0, text.size() - 2)}) {
    auto read = read_recall_handle(same).value();
    CHECK(read.topic == "t");
    CHECK(read.broker == "b");
    CHECK(read.deliver_ms == 1'700'000'000'001);
    CHECK(read.unique_key == "K");
  }
  for (std::size_t length = 1; length < 5; ++length) {
    std::string key(length, '\xff');
    auto there = read_recall_handle(write_recall_handle({"t", "b", 1, key})).value();
    CHECK(there.unique_key == key);
  }
  CHECK(read_recall_handle("djEgdCBiIHNvb24gSw==").value().deliver_ms == -1); // soon
  for (auto* bad : {"", "=", "djEg", "djIgdCBiIDEgSw==", "djEgdCBiIDEgSw=", "djEgdCBiIDEgSw===",
                    "djEgdCBiIDEg+w==", "d", "dj=gdCBi", "djEgdCBiIDEg"})
    CHECK(read_recall_handle(bad).error().message == "recall handle is invalid");
  CHECK_FALSE(read_recall_handle(std::string(9000, 'A')));
}
