#include "duck/lake_files.h"

#include <cstring>
#include <duckdb/common/exception.hpp>
#include <duckdb/common/file_opener.hpp>
#include <duckdb/common/multi_file/multi_file_list.hpp>
#include <duckdb/main/client_context.hpp>

namespace headrace {
namespace {

/// The path on disk, if the query that runs in this connection was given it.
std::string permitted(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) {
  std::string real = path.substr(std::strlen(lake_prefix));
  duckdb::optional_ptr<duckdb::ClientContext> context = duckdb::FileOpener::TryGetClientContext(opener);
  auto files = context ? context->registered_state->Get<PermittedFiles>(permitted_files_key) : nullptr;
  if (!files || !files->paths.contains(real)) throw duckdb::PermissionException("this query may not read " + real);
  return real;
}

}  // namespace

duckdb::unique_ptr<duckdb::FileHandle> LakeFileSystem::OpenFile(const std::string& path, duckdb::FileOpenFlags flags,
                                                                duckdb::optional_ptr<duckdb::FileOpener> opener) {
  if (flags.OpenForWriting()) throw duckdb::PermissionException("queries only read");
  return LocalFileSystem::OpenFile(permitted(path, opener), flags, opener);
}

bool LakeFileSystem::FileExists(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) {
  return LocalFileSystem::FileExists(permitted(path, opener), opener);
}

duckdb::unique_ptr<duckdb::MultiFileList> LakeFileSystem::GlobFilesExtended(
    const std::string& path, const duckdb::FileGlobInput&, duckdb::optional_ptr<duckdb::FileOpener> opener) {
  permitted(path, opener);
  duckdb::vector<duckdb::OpenFileInfo> files;
  files.emplace_back(path);
  return duckdb::make_uniq<duckdb::SimpleMultiFileList>(std::move(files));
}

}  // namespace headrace
