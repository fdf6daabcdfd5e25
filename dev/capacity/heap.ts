/** A queue of events in the order of time. Events at the same time stay in the order in which they were added. */
export function createHeap<Item>() {
  const heap: { readonly at: number; readonly order: number; readonly item: Item }[] = [];
  let added = 0;
  const isBefore = (a: number, b: number): boolean => {
    const [x, y] = [heap[a], heap[b]];
    if (x === undefined || y === undefined) return false;
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  };
  const swap = (a: number, b: number): void => {
    const [x, y] = [heap[a], heap[b]];
    if (x !== undefined && y !== undefined) [heap[a], heap[b]] = [y, x];
  };

  return {
    add(at: number, item: Item): void {
      let place = heap.push({ at, order: added++, item }) - 1;
      for (let parent = (place - 1) >> 1; place > 0 && isBefore(place, parent); parent = (place - 1) >> 1) {
        swap(place, parent);
        place = parent;
      }
    },

    /** Removes the next event. `undefined`: there is none. */
    take(): { readonly at: number; readonly item: Item } | undefined {
      const [first] = heap;
      const last = heap.pop();
      if (first === undefined || last === undefined || heap.length === 0) return first;
      heap[0] = last;
      for (let place = 0; ; ) {
        const [left, right] = [2 * place + 1, 2 * place + 2];
        const child = isBefore(right, left) ? right : left;
        if (!isBefore(child, place)) return first;
        swap(child, place);
        place = child;
      }
    },
  };
}
