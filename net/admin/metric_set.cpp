#include "net/admin/metric_set.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>

namespace troupe::net {

namespace {

std::vector<prometheus::ClientMetric::Label> labels_of(const metric_labels& same,
                                                       const metric_labels& own) {
  std::vector<prometheus::ClientMetric::Label> all;
  for (auto* list : {&same, &own})
    for (auto& [name, value] : *list)
      all.push_back({name, value});
  return all;
}

prometheus::ClientMetric metric_of(metric_name::kind type, double value) {
  prometheus::ClientMetric made;
  if (type == metric_name::kind::counter)
    made.counter.value = value;
  else
    made.gauge.value = value;
  return made;
}

} // namespace

std::size_t metric_set::family::size() const {
  auto all = series.size();
  for (auto& one : spreads)
    all += one.bounds.size() + 3; // what is beyond, the sum, the count
  return all;
}

metric_set::family& metric_set::family_of(const metric_name& what) {
  auto found = std::ranges::find_if(families_, [&](auto& f) { return f.what.name == what.name; });
  if (found != families_.end())
    return *found;
  families_.push_back({what, {}, {}});
  return families_.back();
}

void metric_set::add(const metric_name& what, double value, metric_labels labels) {
  family_of(what).series[std::move(labels)] += value;
}

void metric_set::add(const metric_name& what, const storage::histogram_counts& counts,
                     std::span<const std::uint64_t> bounds, double unit) {
  if (counts.counts.size() != bounds.size() + 1)
    return; // nothing was counted, or by other bounds
  spread made;
  made.counts = counts;
  for (auto bound : bounds)
    made.bounds.push_back(static_cast<double>(bound) * unit);
  made.sum = static_cast<double>(counts.sum) * unit;
  family_of(what).spreads.push_back(std::move(made));
}

/// How many series each name of many may have.
std::map<const metric_set::family*, std::size_t> metric_set::shares() const {
  std::vector<const family*> many;
  std::size_t used = 0;
  for (auto& f : families_) {
    if (f.what.many)
      many.push_back(&f);
    else
      used += f.size();
  }
  std::ranges::sort(many, {}, [](auto* f) { return f->size(); });
  auto left = most_ > used ? most_ - used : 0;
  std::map<const family*, std::size_t> all;
  for (std::size_t i = 0; i < many.size(); ++i) {
    auto share = std::max<std::size_t>(1, std::min(many[i]->size(), left / (many.size() - i)));
    all[many[i]] = share;
    left -= std::min(left, share);
  }
  return all;
}

std::map<metric_labels, double> metric_set::first_of(const family& all, std::size_t most) {
  if (all.series.size() <= most)
    return all.series;
  std::map<metric_labels, double> kept;
  auto at = all.series.begin();
  for (; kept.size() + 1 < most; ++at)
    kept.insert(*at);
  auto others = at->first;
  for (auto& [name, value] : others)
    value = "other";
  for (; at != all.series.end(); ++at)
    kept[others] += at->second;
  return kept;
}

std::string metric_set::text() const {
  auto share = shares();
  std::vector<prometheus::MetricFamily> all;
  for (auto& f : families_) {
    auto& made = all.emplace_back();
    made.name = f.what.name;
    made.help = f.what.help;
    made.type = f.what.type == metric_name::kind::counter ? prometheus::MetricType::Counter
                                                          : prometheus::MetricType::Gauge;
    for (auto& [labels, value] : first_of(f, f.what.many ? share[&f] : f.series.size())) {
      made.metric.push_back(metric_of(f.what.type, value));
      made.metric.back().label = labels_of(same_, labels);
    }
    for (auto& one : f.spreads) {
      made.type = prometheus::MetricType::Histogram;
      auto& metric = made.metric.emplace_back();
      metric.label = labels_of(same_, {});
      auto& to = metric.histogram;
      to.sample_sum = one.sum;
      for (std::size_t i = 0; i < one.counts.counts.size(); ++i) {
        to.sample_count += one.counts.counts[i];
        auto bound =
            i < one.bounds.size() ? one.bounds[i] : std::numeric_limits<double>::infinity();
        to.bucket.push_back({to.sample_count, bound});
      }
    }
  }
  return prometheus::TextSerializer().Serialize(all);
}

} // namespace troupe::net
