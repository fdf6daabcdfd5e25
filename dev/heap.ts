/** Takes items out in their order, which is total: `isBefore` answers true for one of any two items. */
export function createHeap<Item>(isBefore: (a: Item, b: Item) => boolean) {
  const heap: Item[] = [];
  return {
    /** The next item, which stays. `undefined`: there is none. */
    first: (): Item | undefined => heap[0],

    add(item: Item): void {
      let place = heap.push(item) - 1;
      while (place > 0) {
        const parent = (place - 1) >> 1;
        const above = heap[parent];
        if (above === undefined || !isBefore(item, above)) break;
        heap[place] = above;
        place = parent;
      }
      heap[place] = item;
    },

    /** Removes the next item. `undefined`: there is none. */
    take(): Item | undefined {
      const [first] = heap;
      const last = heap.pop();
      if (first === undefined || last === undefined || heap.length === 0) return first;
      let place = 0;
      for (;;) {
        const left = 2 * place + 1;
        const [a, b] = [heap[left], heap[left + 1]];
        const child = a !== undefined && b !== undefined && isBefore(b, a) ? left + 1 : left;
        const below = heap[child];
        if (below === undefined || isBefore(last, below)) break;
        heap[place] = below;
        place = child;
      }
      heap[place] = last;
      return first;
    },
  };
}
