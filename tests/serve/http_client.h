// A plain blocking HTTP client for tests: what is sent and what comes back, byte for byte.
#pragma once

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <map>
#include <string>

namespace headrace {

struct HttpAnswer {
  int status = 0;                              ///< 0: the connection ended without an answer.
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string body;
};

class HttpClient {
 public:
  explicit HttpClient(uint16_t port) : socket_(io_), port_(port) {
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port});
  }

  void send(std::string_view bytes) { boost::asio::write(socket_, boost::asio::buffer(bytes), error_); }

  HttpAnswer read_answer() {
    HttpAnswer out;
    std::string head = read_through("\r\n\r\n");
    if (head.size() < 12) return out;
    out.status = std::stoi(head.substr(9, 3));
    for (size_t at = head.find("\r\n") + 2; at < head.size() - 2;) {
      size_t end = head.find("\r\n", at), colon = head.find(':', at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      out.headers[name] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    if (out.status == 204 || out.status == 304 || out.status == 100) return out;
    if (out.headers.contains("content-length")) out.body = read_exactly(std::stoul(out.headers["content-length"]));
    return out;
  }

  HttpAnswer request(const std::string& method, const std::string& target, const std::string& headers = "",
                     const std::string& body = "") {
    std::string text =
        method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) + "\r\n" + headers;
    if (!body.empty() || method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    send(text + "\r\n" + body);
    return read_answer();
  }
  HttpAnswer get(const std::string& target, const std::string& headers = "") { return request("GET", target, headers); }
  HttpAnswer post(const std::string& target, const std::string& body, const std::string& headers = "") {
    return request(
        "POST", target,
        headers + (headers.find("Content-Type") == std::string::npos ? "Content-Type: application/json\r\n" : ""),
        body);
  }

  /// Text up to and with `end`; shorter when the connection ended.
  std::string read_through(const std::string& end) {
    size_t found = boost::asio::read_until(socket_, boost::asio::dynamic_buffer(buffer_), end, error_);
    if (error_) found = buffer_.size();
    std::string out = buffer_.substr(0, found);
    buffer_.erase(0, found);
    return out;
  }
  std::string read_exactly(size_t count) {
    if (buffer_.size() < count)
      boost::asio::read(socket_, boost::asio::dynamic_buffer(buffer_),
                        boost::asio::transfer_exactly(count - buffer_.size()), error_);
    std::string out = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return out;
  }
  bool ended() const { return static_cast<bool>(error_); }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  uint16_t port_;
  std::string buffer_;
  boost::system::error_code error_;
};

}  // namespace headrace
