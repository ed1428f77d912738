// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds torn and rotten records of logs and of saved state.
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace {

/// Continues `crc` (0 at the start) over `bytes`. Uses the processor's instruction where there is one.
uint32_t crc32c(uint32_t crc, std::string_view bytes);

}  // namespace headrace
