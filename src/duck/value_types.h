// DuckDB's types of single values beyond chunk.h, for rooms that read and write them one by one: wide integers, UUIDs,
// casts of vectors.
#pragma once

#include <duckdb/common/types/hugeint.hpp>
#include <duckdb/common/types/uhugeint.hpp>
#include <duckdb/common/types/uuid.hpp>
#include <duckdb/common/types/validity_mask.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>

#include "duck/chunk.h"
