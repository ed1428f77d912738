// The SQL editor: CodeMirror in a shadow root. There it styles itself through adopted style sheets, so that the page's content
// policy can forbid inline styles.
import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { SQLDialect, sql } from '@codemirror/lang-sql';
import { bracketMatching, HighlightStyle, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { Compartment, EditorState, StateEffect, StateField } from '@codemirror/state';
import { Decoration, type DecorationSet, drawSelection, EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { Signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { ViewInfo } from '../api/types.ts';

const dialect = SQLDialect.define({
  keywords:
    'all and any as asc asof between both by case cast columns cross cube current_date current_timestamp describe desc distinct ' +
    'else end escape except exclude exists extract false filter first following from full group grouping having ilike in inner ' +
    'intersect is join last lateral left like limit natural not null nulls offset on or order outer over partition pivot positional ' +
    'preceding qualify range recursive replace right rollup row rows sample select semi anti sets similar summarize table then ties ' +
    'trailing true try_cast unbounded union unnest unpivot using values when where window with within',
  types:
    'array bigint blob boolean bytes date decimal double float hugeint int integer interval json list map numeric real smallint ' +
    'string struct text time timestamp timestamptz tinyint ubigint uinteger uuid varchar',
  builtin:
    'count sum avg min max median quantile_cont date_trunc time_bucket coalesce round abs now arg_max arg_min row_number lag lead',
  backslashEscapes: false,
  hashComments: false,
  doubleDollarQuotedStrings: true,
  identifierQuotes: '"`',
});

// Colours are CSS variables of the page; they reach into the shadow root and follow the theme without a rebuild.
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: 'var(--code-keyword)', fontWeight: '600' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--code-string)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--code-number)' },
  { tag: [tags.typeName, tags.standard(tags.name)], color: 'var(--code-type)' },
  { tag: [tags.lineComment, tags.blockComment], color: 'var(--text-3)', fontStyle: 'italic' },
]);

const look = EditorView.theme({
  '&': { height: '100%', fontSize: '13px', color: 'var(--text-1)', backgroundColor: 'var(--surface-1)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.6', overflow: 'auto' },
  '.cm-content': { padding: '10px 12px', caretColor: 'var(--accent)' },
  '.cm-line': { padding: '0' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
  '.cm-placeholder': { color: 'var(--text-3)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--selection)',
  },
  '.cm-matchingBracket': { backgroundColor: 'var(--selection)', outline: '1px solid var(--line-strong)' },
  '.wrong': {
    textDecoration: 'underline wavy var(--bad) 1.5px',
    textUnderlineOffset: '3px',
    backgroundColor: 'var(--bad-soft)',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface-2)',
    border: '1px solid var(--line-strong)',
    borderRadius: '6px',
    boxShadow: 'var(--shadow)',
    overflow: 'hidden',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', maxHeight: '16em' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 10px', color: 'var(--text-1)' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
  '.cm-completionDetail': { color: 'inherit', opacity: '0.7', fontStyle: 'normal', marginLeft: '1em' },
});

const mark_wrong = StateEffect.define<{ from: number; to: number } | null>();

const wrong_place = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (marks, transaction) => {
    for (const effect of transaction.effects) {
      if (!effect.is(mark_wrong)) continue;
      if (!effect.value) return Decoration.none;
      return Decoration.set([Decoration.mark({ class: 'wrong' }).range(effect.value.from, effect.value.to)]);
    }
    return transaction.docChanged ? Decoration.none : marks;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Where `line:column` (both from 1) stands in the text, widened to the word there. */
export function place_in(text: string, line: number, column: number): { from: number; to: number } | null {
  const lines = text.split('\n');
  const content = lines[line - 1];
  if (content === undefined) return null;
  const start = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0);
  const from = start + Math.min(Math.max(0, column - 1), Math.max(0, content.length - 1));
  const word = /^[\w$]+|^./.exec(text.slice(from));
  const to = from + (word?.[0].length ?? 1);
  return from < text.length ? { from, to: Math.min(to, text.length) } : null;
}

function language(views: ViewInfo[]) {
  const schema = Object.fromEntries(
    views.map((view) => [
      view.name,
      view.columns.map((column) => ({ label: column.name, detail: column.type, type: 'property' })),
    ]),
  );
  return sql({ dialect, schema, upperCaseKeywords: true });
}

export default function Editor(props: {
  /** Read and written. A signal and not a value: a value that arrives one keystroke late would undo that keystroke. */
  text: Signal<string>;
  views: ViewInfo[];
  error_at: { line: number; column: number } | null;
  on_run: () => void;
}): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<EditorView | null>(null);
  const schema = useRef(new Compartment());
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const root = element.shadowRoot ?? element.attachShadow({ mode: 'open' });
    const run = () => {
      latest.current.on_run();
      return true;
    };
    const leave = () => {
      editor.current?.contentDOM.blur();
      element.focus();
      return true;
    };
    editor.current = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: latest.current.text.peek(),
        extensions: [
          // What closes the completion list comes before what leaves the editor.
          keymap.of([{ key: 'Mod-Enter', run, preventDefault: true }]),
          keymap.of([
            { key: 'Tab', run: acceptCompletion },
            ...closeBracketsKeymap,
            ...completionKeymap,
            ...historyKeymap,
          ]),
          keymap.of([{ key: 'Escape', run: leave }, indentWithTab, ...defaultKeymap]),
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false }),
          indentUnit.of('  '),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'SQL', spellcheck: 'false' }),
          placeholder('SELECT …   (Ctrl+Enter runs, Ctrl+Space completes)'),
          schema.current.of(language(latest.current.views)),
          syntaxHighlighting(colours),
          wrong_place,
          look,
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.text.value = update.state.doc.toString();
          }),
        ],
      }),
    });
    editor.current.focus();
    return () => editor.current?.destroy();
  }, []);

  useEffect(
    () =>
      props.text.subscribe((text) => {
        const view = editor.current;
        if (!view || view.state.doc.toString() === text) return;
        view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      }),
    [props.text],
  );

  const schema_text = JSON.stringify(props.views.map((view) => [view.name, view.columns]));
  // row counts change all the time, the schema seldom.
  useEffect(() => {
    editor.current?.dispatch({ effects: schema.current.reconfigure(language(props.views)) });
  }, [schema_text]);

  useEffect(() => {
    const view = editor.current;
    if (!view) return;
    const at = props.error_at;
    view.dispatch({ effects: mark_wrong.of(at ? place_in(view.state.doc.toString(), at.line, at.column) : null) });
  }, [props.error_at]);

  return <div class="editor" ref={host} tabIndex={-1} />;
}
