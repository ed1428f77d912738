#include "state/table.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "duck/rows.h"
#include "duck/value_bytes.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::string_t;
using duckdb::UnifiedVectorFormat;

constexpr size_t text_piece_bytes = 16 << 10;
constexpr size_t first_index_entries = 1024;

size_t aligned(size_t offset, size_t to) {
  return (offset + to - 1) / to * to;
}

uint64_t entry_of(uint64_t hash, Slot slot) {
  return (hash & 0xFFFFFFFF00000000) | (uint64_t{slot} + 1);
}
bool entry_matches(uint64_t entry, uint64_t hash) {
  return ((entry ^ hash) >> 32) == 0;
}
/// Where a hash's run begins, before the mask: made of what an entry keeps, so that the index never asks the rows.
size_t home_of(uint64_t hash_or_entry) {
  return hash_or_entry >> 32;
}
Slot slot_of(uint64_t entry) {
  return static_cast<Slot>((entry & 0xFFFFFFFF) - 1);
}

string_t text_at(const char* row, size_t offset) {
  string_t text;
  std::memcpy(static_cast<void*>(&text), row + offset, sizeof(text));
  return text;
}

std::string_view view_of(const string_t& text) {
  return {text.GetData(), text.GetSize()};
}

/// Writes a text into its place in a row; a long one stays where it is.
void refer_to_text(char* place, const char* text, size_t bytes) {
  const string_t held(text, static_cast<uint32_t>(bytes));
  std::memcpy(place, static_cast<const void*>(&held), sizeof(held));
}

void put_text(Block& block, char* place, std::string_view text) {
  const char* held = text.data();
  if (text.size() > string_t::INLINE_LENGTH) {
    char* room = block.text_room(text.size());
    std::memcpy(room, text.data(), text.size());
    held = room;
  }
  refer_to_text(place, held, text.size());
}

/// Writes row `row` of a column into a table row's place.
void put_value(const RowLayout& layout, size_t column, Block& block, char* out, const UnifiedVectorFormat& format,
               const Vector& vector, size_t row) {
  size_t from = format.sel->get_index(row);
  bool valid = format.validity.RowIsValid(from);
  out[sizeof(uint64_t) + column] = !valid;
  char* place = out + layout.offsets[column];
  size_t width = fixed_width(layout.types[column]);
  if (width > 0) {
    if (valid)
      std::memcpy(place, format.data + from * width, width);
    else
      std::memset(place, 0, width);
  } else if (!valid) {
    put_text(block, place, "");
  } else if (is_text(layout.types[column])) {
    put_text(block, place, view_of(reinterpret_cast<const string_t*>(format.data)[from]));
  } else {
    put_text(block, place, value_bytes(vector, row));
  }
}

template <class T>
bool same_number(const char* a, const void* b) {
  T x, y;
  std::memcpy(&x, a, sizeof(T));
  std::memcpy(&y, b, sizeof(T));
  return x == y || (x != x && y != y);
}

bool same_interval(const char* a, const void* b) {
  duckdb::interval_t x, y;
  std::memcpy(&x, a, sizeof(x));
  std::memcpy(&y, b, sizeof(y));
  return duckdb::Interval::Equals(x, y);
}

/// Values without a text are equal when their bytes are, but for floats (0.0 is -0.0, and NaN is NaN) and intervals (a
/// month is 30 days).
bool same_plain(const LogicalType& type, size_t width, const char* a, const void* b) {
  if (type.id() == LogicalTypeId::INTERVAL) return same_interval(a, b);
  if (type.id() == LogicalTypeId::DOUBLE) return same_number<double>(a, b);
  if (type.id() == LogicalTypeId::FLOAT) return same_number<float>(a, b);
  return std::memcmp(a, b, width) == 0;
}

bool value_equals(const RowLayout& layout, size_t column, const char* row, const UnifiedVectorFormat& format,
                  const Vector& vector, size_t at) {
  size_t from = format.sel->get_index(at);
  bool valid = format.validity.RowIsValid(from);
  if (valid == static_cast<bool>(row[sizeof(uint64_t) + column])) return false;
  if (!valid) return true;
  size_t width = fixed_width(layout.types[column]);
  const char* place = row + layout.offsets[column];
  if (width > 0) return same_plain(layout.types[column], width, place, format.data + from * width);
  string_t held = text_at(row, layout.offsets[column]);
  if (is_text(layout.types[column]))
    return view_of(held) == view_of(reinterpret_cast<const string_t*>(format.data)[from]);
  return same_value(layout.types[column], view_of(held), value_bytes(vector, at));
}

/// The same for two texts that are held.
bool same_held(const LogicalType& type, const string_t& a, const string_t& b) {
  return is_text(type) ? view_of(a) == view_of(b) : same_value(type, view_of(a), view_of(b));
}

/// Moves a row's long texts into `block`; the row's bytes are there already.
void adopt_texts(const RowLayout& layout, Block& block, char* row) {
  for (size_t column : layout.text_columns) {
    string_t held = text_at(row, layout.offsets[column]);
    if (!held.IsInlined()) put_text(block, row + layout.offsets[column], view_of(held));
  }
}

/// Where a row has its texts.
std::vector<uint32_t> text_offsets(const RowLayout& layout) {
  std::vector<uint32_t> out;
  for (size_t column : layout.text_columns) out.push_back(static_cast<uint32_t>(layout.offsets[column]));
  return out;
}

}  // namespace

ChunkRows::ChunkRows(DataChunk& rows, size_t count) : chunk(rows), formats(rows.ColumnCount()) {
  for (size_t i = 0; i < formats.size(); ++i) chunk.data[i].ToUnifiedFormat(count, formats[i]);
}

RowLayout::RowLayout(const TableSpec& spec) : types(spec.key), key_columns(spec.key.size()) {
  types.insert(types.end(), spec.values.begin(), spec.values.end());
  size_t at = sizeof(uint64_t) + types.size();
  for (size_t column = 0; column < types.size(); ++column) {
    size_t bytes = fixed_width(types[column]);
    if (bytes == 0) text_columns.push_back(column);
    size_t needed = bytes == 0 ? sizeof(string_t) : bytes;
    at = aligned(at, std::min<size_t>(needed, 8));
    offsets.push_back(at);
    at += needed;
  }
  plain_offset = aligned(at, 8);
  width = aligned(plain_offset + spec.plain_bytes, 8);
}

char* Block::text_room(size_t bytes) {
  if (text_used + bytes > text_capacity) {
    text_capacity = std::max(bytes, text_piece_bytes);
    text_used = 0;
    texts.emplace_back(memory, text_capacity, rows.tier());
    text_bytes += text_capacity;
  }
  char* room = texts.back().data() + text_used;
  text_used += bytes;
  return room;
}

void TableSnapshot::addresses(size_t block, std::vector<const char*>& out) const {
  out.clear();
  const Block& source = *blocks_[block];
  for (Slot row = 0; row < rows_per_block; ++row)
    if (source.is_used(row)) out.push_back(source.rows.data() + row * layout_->width);
}

void gather_column(const RowLayout& layout, size_t column, const char* const* addresses, size_t count, Vector& out) {
  const size_t offset = layout.offsets[column];
  const size_t width = fixed_width(layout.types[column]);
  char* data = reinterpret_cast<char*>(FlatVector::GetData(out));
  for (size_t i = 0; i < count; ++i) {
    const char* row = addresses[i];
    if (row[sizeof(uint64_t) + column]) {
      FlatVector::SetNull(out, i, true);
    } else if (width > 0) {
      std::memcpy(data + i * width, row + offset, width);
    } else if (is_text(layout.types[column])) {
      string_t held = text_at(row, offset);
      reinterpret_cast<string_t*>(data)[i] = duckdb::StringVector::AddStringOrBlob(out, held);
    } else {
      value_from_bytes(view_of(text_at(row, offset)), out, i);
    }
  }
}

Table::Table(TableSpec spec) : spec_(std::move(spec)), layout_(std::make_shared<RowLayout>(spec_)) {
  if (!spec_.key.empty()) index_ = empty_index(first_index_entries);
}

void Table::live_in(std::shared_ptr<StateMemory> memory) {
  CHECK(blocks_.empty());
  memory_ = std::move(memory);
  if (!spec_.key.empty()) index_ = empty_index(first_index_entries);
}

StateBytes Table::empty_index(size_t entries) const {
  const Tier tier = memory_ && memory_->is_over() ? Tier::spilled : Tier::memory;
  StateBytes out(memory_, entries * sizeof(uint64_t), tier);
  std::memset(out.data(), 0, out.size());
  return out;
}

int64_t Table::bytes() const {
  size_t total = index_.size();
  for (const auto& block : blocks_) total += block->bytes();
  return static_cast<int64_t>(total);
}

std::shared_ptr<Block> Table::copy_of(const Block& block, Tier tier) const {
  auto copy = std::make_shared<Block>(memory_, layout_->width, tier);
  std::memcpy(copy->rows.data(), block.rows.data(), block.rows.size());
  copy->used = block.used;
  if (!layout_->text_columns.empty())
    for (Slot row = 0; row < rows_per_block; ++row)
      if (copy->is_used(row)) adopt_texts(*layout_, *copy, copy->rows.data() + row * layout_->width);
  return copy;
}

/// The block of a row that is about to be changed.
Block& Table::writable_block(Slot slot) {
  std::shared_ptr<Block>& block = blocks_[slot / rows_per_block];
  BlockState& state = states_[slot / rows_per_block];
  state.dirty = state.warm = true;
  state.changed[slot % rows_per_block / 64] |= uint64_t{1} << (slot % 64);
  if (block.use_count() > 1) block = copy_of(*block, block->rows.tier());
  std::atomic_thread_fence(std::memory_order_acquire);  // What another thread did with the block it has let go is over.
  return *block;
}

/// The text of a column is about to be no row's any more.
void Table::count_dead(Block& block, const char* row, size_t column) const {
  const string_t text = text_at(row, layout_->offsets[column]);
  if (!text.IsInlined()) block.text_dead += text.GetSize();
}

/// Copies the texts that are left, once they are less than half.
void Table::drop_dead_texts(uint32_t number) {
  const Block& block = *blocks_[number];
  if (block.text_dead > 2 * text_piece_bytes && block.text_dead > block.text_bytes / 2)
    blocks_[number] = copy_of(block, block.rows.tier());
}

char* Table::writable(Slot slot) {
  return row_in(writable_block(slot), slot);
}

void Table::add_block() {
  blocks_.push_back(std::make_shared<Block>(memory_, layout_->width, Tier::memory));
  states_.emplace_back();
}

Slot Table::take_slot(uint64_t hash) {
  Slot slot;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    slot = next_++;
    if (slot / rows_per_block == blocks_.size()) add_block();
  }
  Block& block = writable_block(slot);
  block.set_used(slot % rows_per_block, true);
  char* row = row_in(block, slot);
  std::memset(row, 0, layout_->width);
  std::memcpy(row, &hash, sizeof(hash));
  for (size_t column = layout_->key_columns; column < layout_->types.size(); ++column)
    row[sizeof(uint64_t) + column] = 1;
  ++rows_;
  return slot;
}

void Table::insert_index(uint64_t hash, Slot slot) {
  uint64_t* const entries = index();
  const size_t mask = index_size() - 1;
  size_t at = home_of(hash) & mask;
  while (entries[at] != 0) at = (at + 1) & mask;
  entries[at] = entry_of(hash, slot);
}

void Table::grow_index() {
  StateBytes old = empty_index(index_size() * 2);
  std::swap(old, index_);
  const uint64_t* entries = reinterpret_cast<const uint64_t*>(old.data());
  for (size_t i = 0; i < old.size() / sizeof(uint64_t); ++i)
    if (entries[i] != 0) insert_index(entries[i], slot_of(entries[i]));
}

/// Removes by moving later entries of the run back, so that no tombstones are left (Knuth, vol. 3, 6.4, algorithm R).
void Table::remove_index(Slot slot) {
  uint64_t* const entries = index();
  const size_t mask = index_size() - 1;
  size_t hole = home_of(hash(slot)) & mask;
  while (entries[hole] == 0 || slot_of(entries[hole]) != slot) hole = (hole + 1) & mask;
  for (size_t at = (hole + 1) & mask; entries[at] != 0; at = (at + 1) & mask) {
    size_t home = home_of(entries[at]) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    entries[hole] = entries[at];
    hole = at;
  }
  entries[hole] = 0;
}

void Table::find_or_create(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* slots, uint8_t* created) {
  // Growing first keeps the probe loop free of checks: at most half full even if every row is new.
  while ((static_cast<size_t>(rows_) + count) * 2 > index_size()) grow_index();
  uint64_t* const entries = index();
  const size_t mask = index_size() - 1;
  for (size_t i = 0; i < count; ++i) __builtin_prefetch(&entries[home_of(hashes[i]) & mask]);
  ChunkRows columns(keys, count);
  for (size_t i = 0; i < count; ++i) {
    created[i] = 0;
    size_t at = home_of(hashes[i]) & mask;
    for (;; at = (at + 1) & mask) {
      uint64_t entry = entries[at];
      if (entry == 0) break;
      if (!entry_matches(entry, hashes[i])) continue;
      const char* row = address(slot_of(entry));
      size_t column = 0;
      while (column < layout_->key_columns &&
             value_equals(*layout_, column, row, columns.formats[column], keys.data[column], i))
        ++column;
      if (column == layout_->key_columns) break;
    }
    if (entries[at] != 0) {
      slots[i] = slot_of(entries[at]);
      continue;
    }
    slots[i] = take_slot(hashes[i]);
    created[i] = 1;
    entries[at] = entry_of(hashes[i], slots[i]);
    Block& block = *blocks_[slots[i] / rows_per_block];
    char* row = row_in(block, slots[i]);
    for (size_t column = 0; column < layout_->key_columns; ++column)
      put_value(*layout_, column, block, row, columns.formats[column], keys.data[column], i);
  }
}

void Table::find(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* slots) const {
  const uint64_t* const entries = index();
  const size_t mask = index_size() - 1;
  for (size_t i = 0; i < count; ++i) __builtin_prefetch(&entries[home_of(hashes[i]) & mask]);
  ChunkRows columns(keys, count);
  for (size_t i = 0; i < count; ++i) {
    slots[i] = missing_slot;
    for (size_t at = home_of(hashes[i]) & mask; entries[at] != 0 && slots[i] == missing_slot; at = (at + 1) & mask) {
      if (!entry_matches(entries[at], hashes[i])) continue;
      const char* row = address(slot_of(entries[at]));
      size_t column = 0;
      while (column < layout_->key_columns &&
             value_equals(*layout_, column, row, columns.formats[column], keys.data[column], i))
        ++column;
      if (column == layout_->key_columns) slots[i] = slot_of(entries[at]);
    }
  }
}

Slot Table::create_like(Slot like, size_t column, int64_t value, uint64_t hash) {
  if ((static_cast<size_t>(rows_) + 1) * 2 > index_size()) grow_index();
  const Slot slot = take_slot(hash);
  insert_index(hash, slot);
  Block& block = *blocks_[slot / rows_per_block];
  char* row = row_in(block, slot);
  const char* from = address(like);
  std::memcpy(row + sizeof(uint64_t), from + sizeof(uint64_t), layout_->key_columns);
  for (size_t i = 0; i < layout_->key_columns; ++i) {
    const size_t at = layout_->offsets[i], width = fixed_width(layout_->types[i]);
    if (width > 0)
      std::memcpy(row + at, from + at, width);
    else
      put_text(block, row + at, view_of(text_at(from, at)));
  }
  std::memcpy(row + layout_->offsets[column], &value, sizeof(value));
  return slot;
}

void Table::append(DataChunk& columns, const uint64_t* hashes, size_t count, Slot* slots) {
  CHECK(spec_.key.empty());
  ChunkRows formats(columns, count);
  for (size_t i = 0; i < count; ++i) {
    slots[i] = take_slot(hashes[i]);
    Block& block = *blocks_[slots[i] / rows_per_block];
    char* row = row_in(block, slots[i]);
    for (size_t column = 0; column < layout_->types.size(); ++column)
      put_value(*layout_, column, block, row, formats.formats[column], columns.data[column], i);
  }
}

void Table::erase(Slot slot) {
  if (!spec_.key.empty()) remove_index(slot);
  Block& block = writable_block(slot);
  for (size_t column : layout_->text_columns) count_dead(block, address(slot), column);
  block.set_used(slot % rows_per_block, false);
  drop_dead_texts(slot / rows_per_block);
  free_.push_back(slot);
  --rows_;
}

void Table::clear() {
  blocks_.clear();
  states_.clear();
  free_.clear();
  next_ = 0;
  rows_ = 0;
  index_ = empty_index(first_index_entries);
}

void Table::set_value(size_t value, const Slot* slots, size_t count, Vector& from) {
  UnifiedVectorFormat format;
  from.ToUnifiedFormat(count, format);
  for (size_t i = 0; i < count; ++i) {
    Block& block = writable_block(slots[i]);
    char* row = row_in(block, slots[i]);
    if (fixed_width(layout_->types[layout_->key_columns + value]) == 0)
      count_dead(block, row, layout_->key_columns + value);
    put_value(*layout_, layout_->key_columns + value, block, row, format, from, i);
    drop_dead_texts(slots[i] / rows_per_block);
  }
}

void Table::gather(size_t column, const Slot* slots, size_t count, Vector& out) const {
  const char* addresses[STANDARD_VECTOR_SIZE];
  for (size_t i = 0; i < count; ++i) addresses[i] = address(slots[i]);
  gather_column(*layout_, column, addresses, count, out);
}

std::string_view Table::text(Slot slot, size_t column) const {
  const char* place = address(slot) + layout_->offsets[column];
  const auto& held = *reinterpret_cast<const string_t*>(place);
  return {held.GetData(), held.GetSize()};
}

bool Table::equals(Slot slot, const ChunkRows& rows, size_t row) const {
  const char* held = address(slot);
  for (size_t column = 0; column < rows.formats.size(); ++column)
    if (!value_equals(*layout_, column, held, rows.formats[column], rows.chunk.data[column], row)) return false;
  return true;
}

bool same_columns(const RowLayout& a, const char* row_a, const RowLayout& b, const char* row_b, size_t columns) {
  for (size_t column = 0; column < columns; ++column) {
    const size_t null = sizeof(uint64_t) + column;
    if (row_a[null] != row_b[null]) return false;
    if (row_a[null]) continue;
    const size_t width = fixed_width(a.types[column]);
    const size_t at_a = a.offsets[column], at_b = b.offsets[column];
    if (width > 0 ? !same_plain(a.types[column], width, row_a + at_a, row_b + at_b)
                  : !same_held(a.types[column], text_at(row_a, at_a), text_at(row_b, at_b)))
      return false;
  }
  return true;
}

std::vector<Slot> Table::slots() const {
  std::vector<Slot> out;
  out.reserve(static_cast<size_t>(rows_));
  for (Slot slot = 0; slot < next_; ++slot)
    if (blocks_[slot / rows_per_block]->is_used(slot % rows_per_block)) out.push_back(slot);
  return out;
}

std::shared_ptr<const TableSnapshot> Table::snapshot() const {
  std::vector<std::shared_ptr<const Block>> blocks(blocks_.begin(), blocks_.end());
  return std::make_shared<TableSnapshot>(layout_, std::move(blocks), rows_);
}

std::vector<Table::SavedBlock> Table::save(bool whole) {
  std::vector<SavedBlock> out;
  ImageHeader header;
  header.width = static_cast<uint32_t>(layout_->width);
  header.text_offsets = text_offsets(*layout_);
  for (uint32_t number = 0; number < blocks_.size(); ++number) {
    BlockState& state = states_[number];
    if (!whole && !state.dirty) continue;
    const Block& block = *blocks_[number];
    header.used = block.used;
    header.changed = state.changed;
    header.whole = whole || state.unsaved || 2 * count_bits(state.changed) > count_bits(block.used);
    out.push_back({number, image_of(block, header)});
    state.changed = {};
    state.dirty = state.unsaved = false;
  }
  return out;
}

std::string Table::image_of(const Block& block, const ImageHeader& header) const {
  std::vector<const char*> rows;
  for (uint32_t row = 0; row < rows_per_block; ++row)
    if (header.has_row(row)) rows.push_back(block.rows.data() + row * layout_->width);
  std::string out = image_start(header);
  out.reserve(out.size() + rows.size() * layout_->width + (header.whole ? block.text_bytes : 0));
  for (const char* row : rows) out.append(row, layout_->width);
  for (const char* row : rows)
    for (size_t column : layout_->text_columns) {
      const string_t held = text_at(row, layout_->offsets[column]);
      if (!held.IsInlined()) out += view_of(held);
    }
  return out;
}

void Table::expect(size_t rows) {
  if (spec_.key.empty()) return;
  CHECK_EQ(rows_, 0);
  if (rows * 2 > index_size()) index_ = empty_index(std::bit_ceil(rows * 2));
}

/// Fills a slot that take_slot() or load() has made with a saved row; the index does not know it yet.
void Table::put_row(Slot slot, const SavedRow& row) {
  Block& block = *blocks_[slot / rows_per_block];
  char* place = row_in(block, slot);
  std::memcpy(place, row.bytes.data(), row.bytes.size());
  if (row.texts.empty()) return;
  char* text = block.text_room(row.texts.size());
  std::memcpy(text, row.texts.data(), row.texts.size());
  for (size_t column : layout_->text_columns) {
    const uint32_t length = text_at(place, layout_->offsets[column]).GetSize();
    if (length <= string_t::INLINE_LENGTH) continue;
    refer_to_text(place + layout_->offsets[column], text, length);
    text += length;
  }
}

/// A block's rows from its images. Errors: corrupt_state.
Result<BlockImage> Table::whole_image(const std::vector<std::string_view>& images) const {
  HEADRACE_ASSIGN(BlockImage image, fold(images));
  if (!image.header.whole || image.header.width != layout_->width ||
      image.header.text_offsets != text_offsets(*layout_))
    return Error{Code::corrupt_state, Blame::environment, Retry::never,
                 "a saved block is not one of table '" + spec_.name + "' of this pipeline"};
  return image;
}

Result<> Table::load(uint32_t number, const std::vector<std::string_view>& images) {
  HEADRACE_ASSIGN(BlockImage image, whole_image(images));
  if (number != blocks_.size())
    return Error{Code::corrupt_state, Blame::environment, Retry::never,
                 "the blocks of table '" + spec_.name + "' do not follow each other"};
  add_block();
  states_[number] = {{}, false, false, false};
  next_ = static_cast<Slot>(blocks_.size()) * rows_per_block;
  blocks_[number]->used = image.header.used;
  std::vector<Slot> loaded;
  for (Slot row = rows_per_block; row-- > 0;) {
    const Slot slot = number * rows_per_block + row;
    if (!has_bit(image.header.used, row)) {
      free_.push_back(slot);
      continue;
    }
    put_row(slot, image.rows[row]);
    loaded.push_back(slot);
  }
  rows_ += static_cast<int64_t>(loaded.size());
  if (spec_.key.empty()) return {};
  while (static_cast<size_t>(rows_) * 2 > index_size()) grow_index();
  // Places in the index lie far apart: all are asked for before the first is needed.
  for (Slot slot : loaded) __builtin_prefetch(&index()[home_of(hash(slot)) & (index_size() - 1)], 1);
  for (Slot slot : loaded) insert_index(hash(slot), slot);
  return {};
}

Result<> Table::load_share(const std::vector<std::string_view>& images, uint32_t shard, uint32_t shards) {
  renumbered_ = true;
  HEADRACE_ASSIGN(BlockImage image, whole_image(images));
  for (const SavedRow& row : image.rows) {
    if (row.bytes.empty()) continue;
    uint64_t hash_value = 0;
    std::memcpy(&hash_value, row.bytes.data(), sizeof(hash_value));
    if (shard_of(hash_value, shards) != shard) continue;
    const Slot slot = take_slot(hash_value);
    put_row(slot, row);
    if (spec_.key.empty()) continue;
    if (static_cast<size_t>(rows_) * 2 > index_size()) grow_index();
    insert_index(hash_value, slot);
  }
  return {};
}

bool Table::spill_block(uint32_t number) {
  const Block& block = *blocks_[number];
  std::shared_ptr<Block> moved = copy_of(block, Tier::spilled);
  if (moved->rows.tier() != Tier::spilled) return false;
  blocks_[number] = std::move(moved);
  return true;
}

int64_t Table::spill(int64_t bytes) {
  int64_t left = 0;
  // Twice round: the first time spares what was written lately.
  for (size_t turn = 0; turn < 2 * blocks_.size() && left < bytes; ++turn) {
    hand_ = hand_ + 1 < blocks_.size() ? hand_ + 1 : 0;
    const Block& block = *blocks_[hand_];
    if (block.rows.tier() == Tier::spilled || std::exchange(states_[hand_].warm, false)) continue;
    const auto held = static_cast<int64_t>(block.bytes());
    if (!spill_block(hand_)) break;
    left += held;
  }
  return left;
}

}  // namespace headrace
