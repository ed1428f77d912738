#include "serve/access.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/json.hpp>
#include <filesystem>

#include "base/file.h"
#include "data/schema.h"

namespace headrace {
namespace {

namespace json = boost::json;

constexpr std::string_view role_names[] = {"nobody", "reader", "writer", "admin"};
constexpr size_t secret_bytes = 32;
constexpr size_t sessions_max = 1000;
constexpr int64_t session_us = 12LL * 3600 * 1'000'000;
constexpr int64_t reload_us = 1'000'000;
constexpr std::string_view cookie_name = "headrace_session";
constexpr std::string_view bearer = "Bearer ";

std::string sha256(std::string_view text) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), hash, &size, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<char*>(hash), size);
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (char c : bytes) out += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  std::string out;
  if (text.size() % 2) return std::nullopt;
  for (size_t i = 0; i < text.size(); i += 2) {
    if (digit(text[i]) < 0 || digit(text[i + 1]) < 0) return std::nullopt;
    out.push_back(static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1])));
  }
  return out;
}

Result<std::string> random_secret() {
  unsigned char bytes[secret_bytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    return Error{Code::internal, Blame::environment, Retry::never, "the system gives no random bytes", {}, {}};
  return hex(std::string_view(reinterpret_cast<char*>(bytes), sizeof bytes));
}

std::string file_of(const std::string& state_directory) {
  return state_directory + "/tokens.json";
}

Error bad_file(const std::string& path) {
  return Error{Code::corrupt_state,
               Blame::user,
               Retry::never,
               path + " is not a list of tokens",
               "remove it and make new tokens",
               {}};
}

/// The host of a Host header or an Origin without its port; IPv6 without brackets.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    size_t end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

std::string_view cookie_value(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    size_t end = std::min(cookies.find(';'), cookies.size());
    std::string_view one = cookies.substr(0, end);
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=')
      return one.substr(name.size() + 1);
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
  }
  return {};
}

bool is_address(std::string_view host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(std::string(host), error);
  return !error;
}

}  // namespace

std::string_view name_of(Role role) {
  return role_names[static_cast<size_t>(role)];
}

std::optional<Role> role_named(std::string_view name) {
  for (size_t i = 1; i < std::size(role_names); ++i)
    if (role_names[i] == name) return static_cast<Role>(i);
  return std::nullopt;
}

bool is_loopback(std::string_view host) {
  if (same_name(host, "localhost")) return true;
  boost::system::error_code error;
  boost::asio::ip::address address = boost::asio::ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

Result<std::string> create_token(const std::string& state_directory, Role role, const Clock& clock) {
  if (role == Role::nobody) return user_error(Code::bad_config, "a token's role is reader, writer or admin");
  HEADRACE_TRY(make_directories(state_directory));
  std::string path = file_of(state_directory);
  json::object document{{"tokens", json::array()}};
  if (file_exists(path)) {
    HEADRACE_ASSIGN(std::string text, read_file(path));
    boost::system::error_code error;
    json::value parsed = json::parse(text, error);
    if (error || !parsed.is_object() || !parsed.as_object().contains("tokens") || !parsed.at("tokens").is_array())
      return bad_file(path);
    document = parsed.as_object();
  }
  HEADRACE_ASSIGN(std::string secret, random_secret());
  std::string token = "hr_" + secret;
  std::string hash = hex(sha256(token));
  document["tokens"].as_array().push_back(json::object{
      {"id", hash.substr(0, 8)}, {"role", name_of(role)}, {"sha256", hash}, {"created_us", clock.now_us()}});
  HEADRACE_TRY(write_file_atomically(path, json::serialize(document) + "\n"));
  std::error_code error;
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, error);
  if (error) return errno_error("restrict " + path, error.value());
  return token;
}

Result<std::unique_ptr<Access>> Access::open(AccessOptions options) {
  std::unique_ptr<Access> out(new Access(std::move(options)));
  HEADRACE_TRY(out->reload());
  if (!is_loopback(out->options_.listen_host) && out->tokens_.empty())
    return user_error(Code::bad_config,
                      fmt::format("{} is not a loopback address, and no token is set: anybody could reach this engine",
                                  out->options_.listen_host))
        .with_remedy("run `headrace token new admin`, or listen on 127.0.0.1");
  return out;
}

Result<> Access::reload() {
  std::string path = file_of(options_.state_directory), text;
  if (file_exists(path)) {
    HEADRACE_ASSIGN(text, read_file(path));
  }
  loaded_us_ = options_.clock->now_us();
  if (text == file_text_) return {};
  if (text.empty())
    return {};  // The file is gone: what it said still holds until the end, so that no door opens by itself.
  std::vector<Token> tokens;
  boost::system::error_code error;
  json::value document = json::parse(text, error);
  const json::object* object = error ? nullptr : document.if_object();
  const json::value* list = object ? object->if_contains("tokens") : nullptr;
  if (!list || !list->is_array()) return bad_file(path);
  for (const json::value& entry : list->as_array()) {
    const json::object* fields = entry.if_object();
    auto text_of = [&](const char* name) -> std::string {
      const json::value* value = fields ? fields->if_contains(name) : nullptr;
      return value && value->is_string() ? std::string(value->as_string()) : "";
    };
    std::optional<Role> role = role_named(text_of("role"));
    std::optional<std::string> hash = from_hex(text_of("sha256"));
    if (!role || !hash || hash->size() != 32) return bad_file(path);
    tokens.push_back({text_of("id"), *role, *hash});
  }
  tokens_ = std::move(tokens);
  file_text_ = std::move(text);
  sessions_.clear();  // A token may be gone; who has it still signs in again.
  return {};
}

Result<> Access::check_headers(std::string_view host, std::string_view origin) const {
  auto refuse = [&](std::string_view header, std::string_view value) {
    return user_error(Code::bad_origin, fmt::format("the {} header '{}' is not one of this engine's", header, value))
        .with_remedy("use the address that the engine listens on, or add the name to server.allowed_hosts");
  };
  std::string_view name = without_port(host);
  bool known = is_loopback(name) || same_name(name, options_.listen_host);
  // Rebinding needs a name; who listens on other addresses is reached by them.
  known |= !is_loopback(options_.listen_host) && is_address(name);
  known |= std::any_of(options_.allowed_hosts.begin(), options_.allowed_hosts.end(),
                       [&](const std::string& a) { return same_name(a, name); });
  if (!known) return refuse("Host", host);
  if (origin.empty()) return {};
  size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos || !same_name(origin.substr(scheme + 3), host)) return refuse("Origin", origin);
  return {};
}

Result<Caller> Access::caller_of(std::string_view token) {
  auto find = [&](const std::string& hash) {
    Caller found;
    // Every token is compared, each in constant time.
    for (const Token& known : tokens_)
      if (CRYPTO_memcmp(known.hash.data(), hash.data(), hash.size()) == 0) found = {known.role, known.id};
    return found;
  };
  std::string hash = sha256(token);
  Caller caller = find(hash);
  if (caller.role == Role::nobody) {
    HEADRACE_TRY(reload());
    caller = find(hash);
  }
  if (caller.role != Role::nobody) return caller;
  return user_error(Code::unauthorized, "the token is not known")
      .with_remedy("make one with `headrace token new ROLE`");
}

Result<Caller> Access::identify(std::string_view authorization, std::string_view cookie) {
  std::lock_guard lock(mutex_);
  if (options_.clock->now_us() - loaded_us_ > reload_us) HEADRACE_TRY(reload());
  if (tokens_.empty()) return Caller{Role::admin, ""};
  if (authorization.size() > bearer.size() && same_name(authorization.substr(0, bearer.size()), bearer))
    return caller_of(authorization.substr(bearer.size()));
  if (std::string_view id = cookie_value(cookie, cookie_name); !id.empty()) {
    auto session = sessions_.find(sha256(id));
    if (session != sessions_.end() && session->second.expires_us > options_.clock->now_us())
      return session->second.caller;
  }
  return user_error(Code::unauthorized, "this engine wants a token")
      .with_remedy("send `Authorization: Bearer <token>`; `headrace token new ROLE` makes one");
}

Result<> Access::require(const Caller& caller, Role needed) {
  if (caller.role >= needed) return {};
  return user_error(Code::forbidden,
                    fmt::format("the token's role is {}; this needs {}", name_of(caller.role), name_of(needed)))
      .with_remedy(fmt::format("use a token made with `headrace token new {}`", name_of(needed)));
}

Result<std::string> Access::open_session(std::string_view token) {
  std::lock_guard lock(mutex_);
  if (tokens_.empty()) HEADRACE_TRY(reload());
  Caller caller{Role::admin, ""};
  if (!tokens_.empty()) {
    HEADRACE_ASSIGN(caller, caller_of(token));
  }
  HEADRACE_ASSIGN(std::string id, random_secret());
  int64_t now_us = options_.clock->now_us();
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.expires_us <= now_us; });
  if (sessions_.size() >= sessions_max) return environment_error(Code::overloaded, "too many sessions are open");
  sessions_[sha256(id)] = {caller, now_us + session_us};
  return fmt::format("{}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}", cookie_name, id, session_us / 1'000'000);
}

}  // namespace headrace
