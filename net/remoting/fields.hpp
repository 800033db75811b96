#pragma once

#include "net/remoting/command.hpp"

#include <concepts>
#include <string>
#include <string_view>

namespace troupe::remoting {

/// The fields of each header are listed once, as `describe(fields, header)`, which reads them with
/// a `field_reader` and writes them with a `field_writer`. A field of the list is required; those
/// behind `optional` keep their default when the request leaves them out.

/// Takes fields out of a request. The first that is missing or wrong is remembered by name.
class field_reader {
public:
  explicit field_reader(const command& request) : request_(request) {}

  template <class T>
  void operator()(std::string_view name, T& value) {
    if (auto* text = request_.ext.find(name))
      take(name, *text, value);
    else
      complain("request " + std::to_string(request_.code) + " has no field '" + std::string(name) +
               "'");
  }
  template <class T>
  void optional(std::string_view name, T& value) {
    if (auto* text = request_.ext.find(name))
      take(name, *text, value);
  }

  storage::result<void> outcome() const;

private:
  void take(std::string_view, const std::string& text, std::string& value) { value = text; }
  /// Only "true" is true; C++ clients say "1".
  void take(std::string_view, const std::string& text, bool& value) {
    value = text == "true" || text == "1";
  }
  template <std::integral Integer>
  void take(std::string_view name, const std::string& text, Integer& value) {
    if (auto parsed = parse_integer<Integer>(text))
      value = *parsed;
    else
      complain("field '" + std::string(name) + "' of request " + std::to_string(request_.code) +
               " is not a number of " + std::to_string(8 * sizeof value) + " bits: '" +
               text.substr(0, 40) + "'");
  }
  void complain(std::string what) {
    if (problem_.empty())
      problem_ = std::move(what);
  }

  const command& request_;
  std::string problem_;
};

/// Adds fields to a header. Empty texts that are optional are left out.
class field_writer {
public:
  explicit field_writer(command& to) : to_(to) {}

  template <class T>
  void operator()(std::string_view name, const T& value) {
    to_.ext.add(std::string(name), text_of(value));
  }
  template <class T>
  void optional(std::string_view name, const T& value) {
    if (auto text = text_of(value); !text.empty())
      to_.ext.add(std::string(name), std::move(text));
  }

private:
  static std::string text_of(const std::string& value) { return value; }
  static std::string text_of(bool value) { return value ? "true" : "false"; }
  template <std::integral Integer>
  static std::string text_of(Integer value) {
    return std::to_string(value);
  }

  command& to_;
};

/// The header of type `Header` that a request carries.
template <class Header>
storage::result<Header> read_fields(const command& request) {
  Header header;
  field_reader fields(request);
  describe(fields, header);
  TROUPE_TRY(fields.outcome());
  return header;
}

template <class Header>
void write_fields(command& to, Header header) {
  field_writer fields(to);
  describe(fields, header);
}

} // namespace troupe::remoting
