// Who may do what: the one place that every door asks. Tokens are 256 random bits, shown once and kept as SHA-256 in
// <state>/tokens.json; as soon as there is one, every door wants one. Host and Origin keep web pages from elsewhere
// out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace headrace {

/// Each role may do what those before it may.
enum class Role : uint8_t { nobody, reader, writer, admin };
std::string_view name_of(Role role);
std::optional<Role> role_named(std::string_view name);

struct Caller {
  Role role = Role::nobody;
  std::string token_id;  ///< Which token, for logs; never the token.
};

/// Makes a token and adds its hash to `state_directory`/tokens.json (0600). The text is the only copy.
/// Errors: bad_config (role nobody), io_error.
Result<std::string> create_token(const std::string& state_directory, Role role, const Clock& clock);

struct AccessOptions {
  std::string state_directory;
  std::string listen_host;                 ///< As configured, without the port.
  std::vector<std::string> allowed_hosts;  ///< Further names that a Host header may have.
  const Clock* clock = nullptr;
};

/// Safe from any thread.
class Access {
 public:
  /// Errors: bad_config when the address is not loopback and there is no token; corrupt_state.
  static Result<std::unique_ptr<Access>> open(AccessOptions options);

  /// `host` and `origin` as the request's headers have them; "" = not given. Errors: bad_origin.
  Result<> check_headers(std::string_view host, std::string_view origin) const;
  /// `authorization` is the header, `cookie` the Cookie header. Without tokens everybody is admin. Errors:
  /// unauthorized.
  Result<Caller> identify(std::string_view authorization, std::string_view cookie);
  /// Errors: forbidden.
  static Result<> require(const Caller& caller, Role needed);

  /// Starts a browser's session with a token; gives the Set-Cookie value. Errors: unauthorized.
  Result<std::string> open_session(std::string_view token);

 private:
  struct Token {
    std::string id;
    Role role = Role::nobody;
    std::string hash;  ///< SHA-256, 32 bytes.
  };
  struct Session {
    Caller caller;
    int64_t expires_us = 0;
  };

  explicit Access(AccessOptions options) : options_(std::move(options)) {}
  Result<> reload();
  Result<Caller> caller_of(std::string_view token);

  AccessOptions options_;
  std::mutex mutex_;
  std::string file_text_;
  std::vector<Token> tokens_;
  int64_t loaded_us_ = 0;
  std::map<std::string, Session> sessions_;  ///< By the hash of the session's id.
};

bool is_loopback(std::string_view host);

}  // namespace headrace
