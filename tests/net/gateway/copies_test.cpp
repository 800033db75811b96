// How often a message is copied on its way in: counted by the memory that it takes.
#include "tests/net/gateway/gateway_stand.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> large = 0;   ///< allocations of at least so many bytes,
std::atomic<std::size_t> counted = 0; ///< since this was set to the number; 0: none are counted
std::atomic<std::size_t> all = 0;

} // namespace

void* operator new(std::size_t size) {
  if (auto least = counted.load(std::memory_order_relaxed); least > 0) {
    ++all;
    if (size >= least)
      ++large;
  }
  if (void* memory = std::malloc(size == 0 ? 1 : size))
    return memory;
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::size_t body_bytes = 1 << 20;

struct counts {
  std::size_t large = 0;
  std::size_t all = 0;
};

counts counted_during(const std::function<void()>& what) {
  large = all = 0;
  counted = body_bytes;
  what();
  counted = 0;
  return {large, all};
}

} // namespace

TEST_CASE("gateway: a body is copied once on its way to the log", "[gateway]") {
  gateway_stand t;
  t.node.stand.options.store.log_file_size_bytes = 8 * storage::mib;
  t.start();
  t.node.create_topic("t");
  std::string body(body_bytes, 'x');
  auto put = [&] {
    auto request = t.request(request_code::send_message, send_fields("t"), body);
    auto number = request.header.opaque;
    auto made = counted_during([&] {
      t.arrive(1, {std::move(request)});
      t.world().drain();
    });
    REQUIRE(t.answers_to(number).size() == 1);
    REQUIRE(t.answers_to(number)[0].header.code == response_code::success);
    return made;
  };
  put();                   // sessions, tables and buffers are made
  CHECK(put().large <= 1); // the record, as it is written
  CHECK(put().large <= 1);
}

TEST_CASE("gateway: a small message takes few allocations on its way to the log", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  auto cost_of = [&](std::size_t messages) {
    std::vector<net::client_request> requests;
    for (std::size_t i = 0; i < messages; ++i)
      requests.push_back(t.request(request_code::send_message, send_fields("t"), "a body"));
    return counted_during([&] {
             t.arrive(1, std::move(requests));
             t.world().drain();
           })
        .all;
  };
  cost_of(10);
  auto few = cost_of(100);
  auto many = cost_of(300);
  CHECK((many - few) / 200 <= 60); // each, its answer and the test's own reading of that included
}
