// A part that is loaded when it is first shown: the editor, the chart and the graph are most of the console's weight.
import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export function lazy<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): (props: P) => JSX.Element {
  let loaded: ComponentType<P> | null = null;
  return function Lazy(props: P): JSX.Element {
    const [, set_ready] = useState(loaded !== null);
    const [error, set_error] = useState<unknown>(null);
    useEffect(() => {
      if (loaded) return;
      load().then(
        (module) => {
          loaded = module.default;
          set_ready(true);
        },
        (problem: unknown) => set_error(problem),
      );
    }, []);
    if (error) throw error;
    const Part = loaded;
    return Part ? <Part {...props} /> : <div class="loading" aria-busy="true" />;
  };
}
