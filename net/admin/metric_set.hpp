#pragma once

#include "storage/histogram.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::net {

using metric_labels = std::vector<std::pair<std::string, std::string>>;

/// What one number is: a name and help as Prometheus wants them.
struct metric_name {
  enum class kind { counter, gauge };
  std::string_view name;
  std::string_view help;
  kind type = kind::gauge;
  /// Of topics, groups or clients, whose number nobody bounds: what is too much is summed under
  /// labels whose values are "other".
  bool many = false;
};

/// The numbers of one answer, in Prometheus' text format. At most so many series, but that each
/// name has one at least: of `many` names those with few series keep them, the others share what is
/// left equally, and keep the first by their labels, so that the same ones are kept the next time.
class metric_set {
public:
  /// `same` are the labels of all.
  metric_set(metric_labels same, std::size_t most_series)
      : same_(std::move(same)), most_(most_series) {}

  /// Labels that were given for this name before: the values add up.
  void add(const metric_name& what, double value, metric_labels labels = {});
  /// `unit`: of the values, in what the name says ("_seconds": 0.001 for milliseconds).
  void add(const metric_name& what, const storage::histogram_counts& counts,
           std::span<const std::uint64_t> bounds, double unit);

  std::string text() const;

private:
  struct spread {
    storage::histogram_counts counts;
    std::vector<double> bounds;
    double sum = 0;
  };
  struct family {
    metric_name what;
    std::map<metric_labels, double> series;
    std::vector<spread> spreads;
    std::size_t size() const;
  };
  family& family_of(const metric_name& what);
  std::map<const family*, std::size_t> shares() const;
  static std::map<metric_labels, double> first_of(const family& all, std::size_t most);

  metric_labels same_;
  std::size_t most_;
  std::vector<family> families_; ///< in the order in which they came
};

} // namespace troupe::net
