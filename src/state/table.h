// A keyed table of state: rows of fixed width in blocks, with an open-addressing index over the key. One mechanism for
// operator state, views, checkpoints and snapshots:
//   - a block holds its rows and their long texts, so that it can be copied, written and read by itself;
//   - a snapshot shares blocks; a shared block is copied before it is changed (copy on write);
//   - a checkpoint writes the rows changed since the last one (block_image.h);
//   - beyond the memory's cap, blocks that have not been written for a while move to the spill file (memory.h).
// Row: hash (8 bytes) | one null byte per column | columns | the operator's plain bytes, 8-byte aligned.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/schema.h"
#include "state/block_image.h"
#include "state/memory.h"

namespace headrace {

using Slot = uint32_t;  ///< A row's place; stable until it is erased.
inline constexpr Slot missing_slot = UINT32_MAX;

struct TableSpec {
  std::string name;                     ///< Unique in its operator; names the table in checkpoints.
  std::vector<LogicalType> key;         ///< Empty: rows are only appended, and there is no index.
  std::vector<LogicalType> values;      ///< Columns beside the key.
  std::vector<std::string> names = {};  ///< Of the first columns, for people; may be fewer than there are.
  size_t plain_bytes = 0;               ///< Zeroed bytes that the operator reads and writes itself; plain data only.
};

/// Where each column lies in a row. Types without a fixed width and nested types are held as texts (nested: serialised
/// values).
struct RowLayout {
  explicit RowLayout(const TableSpec& spec);

  std::vector<LogicalType> types;
  std::vector<size_t> offsets;
  std::vector<size_t> text_columns;  ///< The columns held as texts.
  size_t key_columns = 0;
  size_t plain_offset = 0;
  size_t width = 0;
};

/// Rows in one block, with their texts. Shared blocks are never changed.
struct Block {
  Block(std::shared_ptr<StateMemory> memory, size_t width, Tier tier)
      : memory(std::move(memory)), rows(this->memory, width * rows_per_block, tier) {}

  std::shared_ptr<StateMemory> memory;
  StateBytes rows;
  RowBits used{};
  std::vector<StateBytes> texts;            ///< Long texts; those of erased rows stay until they are half of all.
  size_t text_used = 0, text_capacity = 0;  ///< Of the last piece.
  size_t text_bytes = 0;                    ///< Of all pieces.
  size_t text_dead = 0;                     ///< Of texts that no row has any more.

  bool is_used(Slot row) const { return has_bit(used, row); }
  void set_used(Slot row, bool value) {
    uint64_t bit = uint64_t{1} << (row % 64);
    used[row / 64] = value ? used[row / 64] | bit : used[row / 64] & ~bit;
  }
  /// Room for `bytes` bytes of text that lives as long as the block.
  char* text_room(size_t bytes);
  /// Of rows and texts, in their tier.
  size_t bytes() const { return rows.size() + text_bytes; }
};

/// A table's rows at one moment. Immutable; safe from any thread.
class TableSnapshot {
 public:
  TableSnapshot(std::shared_ptr<const RowLayout> layout, std::vector<std::shared_ptr<const Block>> blocks, int64_t rows)
      : layout_(std::move(layout)), blocks_(std::move(blocks)), rows_(rows) {}

  int64_t rows() const { return rows_; }
  size_t blocks() const { return blocks_.size(); }
  /// The addresses of the used rows of one block.
  void addresses(size_t block, std::vector<const char*>& out) const;
  const RowLayout& layout() const { return *layout_; }

 private:
  std::shared_ptr<const RowLayout> layout_;
  std::vector<std::shared_ptr<const Block>> blocks_;
  int64_t rows_;
};

/// Writes column `column` of the rows at `addresses` into `out`, from place 0 on. `out` owns its texts.
void gather_column(const RowLayout& layout, size_t column, const char* const* addresses, size_t count, Vector& out);

/// True when two rows, maybe of different tables, agree in their first `columns` columns, NULLs equal.
bool same_columns(const RowLayout& a, const char* row_a, const RowLayout& b, const char* row_b, size_t columns);

/// The columns of a chunk in a form that can be read by row. Refers to the chunk, which must outlive it unchanged.
struct ChunkRows {
  ChunkRows(DataChunk& rows, size_t count);

  DataChunk& chunk;
  std::vector<duckdb::UnifiedVectorFormat> formats;
};

/// One thread at a time.
class Table {
 public:
  explicit Table(TableSpec spec);
  /// Takes its memory from there from now on. Before the first row.
  void live_in(std::shared_ptr<StateMemory> memory);

  const TableSpec& spec() const { return spec_; }
  const RowLayout& layout() const { return *layout_; }
  int64_t rows() const { return rows_; }
  int64_t bytes() const;

  /// Finds the rows of `keys` (the key columns; `count` rows with their hashes), making those that are missing with
  /// NULL values and zeroed plain bytes. created[i] is 1 for the first row of a new key.
  void find_or_create(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* slots, uint8_t* created);
  /// As above without making any: missing_slot where there is none.
  void find(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* slots) const;
  /// Makes the row whose key is that of row `like` but for the BIGINT column `column`; it must be missing.
  Slot create_like(Slot like, size_t column, int64_t value, uint64_t hash);
  /// Adds rows to a table without a key; `columns` are the values, `hashes` say where they go when shards change.
  void append(DataChunk& columns, const uint64_t* hashes, size_t count, Slot* slots);
  void erase(Slot slot);
  void clear();

  /// The operator's bytes of a row, to change. Valid until the next call that makes or erases rows.
  char* plain(Slot slot) { return writable(slot) + layout_->plain_offset; }
  const char* read_plain(Slot slot) const { return address(slot) + layout_->plain_offset; }
  const char* address(Slot slot) const {
    return blocks_[slot / rows_per_block]->rows.data() + static_cast<size_t>(slot % rows_per_block) * layout_->width;
  }
  /// True when the row begins with the columns of row `row` of `rows`, NULLs equal.
  bool equals(Slot slot, const ChunkRows& rows, size_t row) const;
  bool is_used(Slot slot) const { return blocks_[slot / rows_per_block]->is_used(slot % rows_per_block); }
  uint64_t hash(Slot slot) const { return *reinterpret_cast<const uint64_t*>(address(slot)); }
  /// Sets value column `value` (0 = the first after the key) of slots[i] from row i of `from`.
  void set_value(size_t value, const Slot* slots, size_t count, Vector& from);
  /// Gathers column `column` (keys first, then values) of rows.
  void gather(size_t column, const Slot* slots, size_t count, Vector& out) const;
  /// The bytes of a text (VARCHAR, BLOB) that is not NULL. Valid until the next call that makes or erases rows.
  std::string_view text(Slot slot, size_t column) const;
  /// All used slots, ascending.
  std::vector<Slot> slots() const;

  std::shared_ptr<const TableSnapshot> snapshot() const;

  /// A saved block: its number and its image (block_image.h).
  struct SavedBlock {
    uint32_t block;
    std::string bytes;
  };
  /// What has changed since the last save, or everything when `whole`; then nothing has changed.
  std::vector<SavedBlock> save(bool whole);
  /// Makes room in the index of an empty table for so many rows at once.
  void expect(size_t rows);
  /// Takes a saved block as it was: `images` are its whole image and what came after. Errors: corrupt_state.
  Result<> load(uint32_t block, const std::vector<std::string_view>& images);
  /// Takes from a saved block the rows whose hash falls to `shard` of `shards`; they count as changed. Errors:
  /// corrupt_state.
  Result<> load_share(const std::vector<std::string_view>& images, uint32_t shard, uint32_t shards);
  /// True once load_share() has given rows other slots than they had: what refers to slots has to be made anew.
  bool renumbered() const { return renumbered_; }

  /// Moves blocks to the spill file until about `bytes` have left memory, those first that were not written since the
  /// last time it came by. Gives how much did.
  int64_t spill(int64_t bytes);

 private:
  /// What is to be known of a block beside its rows.
  struct BlockState {
    RowBits changed{};    ///< Rows changed since the last save.
    bool dirty = true;    ///< There is something to be saved.
    bool unsaved = true;  ///< No image of it has been saved yet.
    bool warm = true;     ///< Written since spill() came by.
  };

  char* writable(Slot slot);
  Block& writable_block(Slot slot);
  char* row_in(Block& block, Slot slot) const {
    return block.rows.data() + static_cast<size_t>(slot % rows_per_block) * layout_->width;
  }
  std::shared_ptr<Block> copy_of(const Block& block, Tier tier) const;
  void add_block();
  void put_row(Slot slot, const SavedRow& row);
  std::string image_of(const Block& block, const ImageHeader& header) const;
  Result<BlockImage> whole_image(const std::vector<std::string_view>& images) const;
  bool spill_block(uint32_t number);
  const uint64_t* index() const { return reinterpret_cast<const uint64_t*>(index_.data()); }
  uint64_t* index() { return reinterpret_cast<uint64_t*>(index_.data()); }
  size_t index_size() const { return index_.size() / sizeof(uint64_t); }
  StateBytes empty_index(size_t entries) const;
  void count_dead(Block& block, const char* row, size_t column) const;
  void drop_dead_texts(uint32_t block);
  Slot take_slot(uint64_t hash);
  void grow_index();
  void insert_index(uint64_t hash, Slot slot);
  void remove_index(Slot slot);

  TableSpec spec_;
  std::shared_ptr<const RowLayout> layout_;
  std::shared_ptr<StateMemory> memory_;
  std::vector<std::shared_ptr<Block>> blocks_;
  std::vector<BlockState> states_;  ///< By block.
  std::vector<Slot> free_;
  Slot next_ = 0;
  int64_t rows_ = 0;
  bool renumbered_ = false;
  StateBytes index_;   ///< Of 64-bit entries: 0 = empty; else the hash's upper half, then slot + 1.
  uint32_t hand_ = 0;  ///< Where spill() goes on.
};

/// The shard that owns a hash: 1,024 key groups by the hash's upper bits, in ranges, so that shard order is hash order.
inline uint32_t shard_of(uint64_t hash, uint32_t shards) {
  return static_cast<uint32_t>((hash >> 54) * shards >> 10);
}

}  // namespace headrace
