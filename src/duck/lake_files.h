// Private to src/duck: the one door of the ad-hoc database to files. Paths "headrace-lake:/..." are opened for reading
// if, and only if, the running query was given that very file.
#pragma once

#include <duckdb/common/local_file_system.hpp>
#include <duckdb/main/client_context_state.hpp>
#include <memory>
#include <set>
#include <string>

namespace headrace {

inline constexpr const char* lake_prefix = "headrace-lake:";
inline constexpr const char* permitted_files_key = "headrace_files";

/// The files that a connection's running query may read.
struct PermittedFiles final : duckdb::ClientContextState {
  std::set<std::string> paths;
};

class LakeFileSystem final : public duckdb::LocalFileSystem {
 public:
  duckdb::unique_ptr<duckdb::FileHandle> OpenFile(const std::string& path, duckdb::FileOpenFlags flags,
                                                  duckdb::optional_ptr<duckdb::FileOpener> opener) override;
  bool FileExists(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) override;
  bool CanHandleFile(const std::string& path) override { return path.rfind(lake_prefix, 0) == 0; }
  bool IsPathAbsolute(const std::string&) override { return true; }
  std::string CanonicalizePath(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener>) override {
    return path;
  }
  std::string GetName() const override { return "HeadraceLakeFileSystem"; }

 protected:
  duckdb::unique_ptr<duckdb::MultiFileList> GlobFilesExtended(const std::string& path,
                                                              const duckdb::FileGlobInput& input,
                                                              duckdb::optional_ptr<duckdb::FileOpener> opener) override;
};

}  // namespace headrace
