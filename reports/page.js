// What a script adds to a page that can be read without: tables that sort and filter, and a flame graph that can be entered.
'use strict';
(function () {
  const number = (cell) => (cell.dataset.v === undefined ? NaN : Number(cell.dataset.v));

  // ---- tables: a click on a title sorts by its column, the largest or the first in the alphabet on top; another click turns it

  function compare(a, b, column, direction) {
    const x = number(a.cells[column]), y = number(b.cells[column]);
    if (isNaN(x) && isNaN(y)) {
      return direction * a.cells[column].textContent.localeCompare(b.cells[column].textContent, 'en', {numeric: true});
    }
    return isNaN(x) ? 1 : isNaN(y) ? -1 : direction * (x - y); // what is not known comes last
  }

  function sort(table, column) {
    const heads = table.tHead.rows[0].cells, head = heads[column], numeric = head.classList.contains('n');
    const before = head.getAttribute('aria-sort');
    const ascending = before ? before === 'descending' : !numeric;
    for (const other of heads) {
      other.removeAttribute('aria-sort');
    }
    head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => compare(a, b, column, ascending ? 1 : -1));
    table.tBodies[0].append(...rows);
    table.refresh?.();
  }

  function makeSortable(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      button.addEventListener('click', () => sort(table, column));
      head.append(button);
    });
  }

  // ---- filter: rows that hold every word; without words the first ones of a long list, until all are asked for

  const LONG = 15, FIRST = 12;

  function filter(table, words, told) {
    const rows = table.tBodies[0].rows, most = words.length || !table.shortened ? Infinity : FIRST;
    let found = 0;
    for (const row of rows) {
      const text = words.length ? row.textContent.toLowerCase() : '';
      const fits = words.every((word) => text.includes(word));
      found += fits;
      row.hidden = !fits || found > most;
    }
    told.textContent = words.length ? `${found} of ${rows.length} rows` : '';
  }

  function shorten(table) {
    const button = document.createElement('button'), count = table.tBodies[0].rows.length;
    button.type = 'button';
    button.className = 'all';
    button.textContent = `Show all ${count} rows`;
    button.addEventListener('click', () => {
      table.shortened = false;
      table.refresh();
      button.remove();
    });
    table.shortened = true;
    table.parentElement.after(button);
  }

  function makeFilterable(table) {
    const tools = document.createElement('div'), input = document.createElement('input'), told = document.createElement('span');
    tools.className = 'tools';
    input.type = 'search';
    input.placeholder = 'Filter';
    input.setAttribute('aria-label', 'Filter: ' + table.caption.textContent);
    told.setAttribute('role', 'status');
    table.refresh = () => filter(table, input.value.toLowerCase().split(/\s+/).filter(Boolean), told);
    input.addEventListener('input', table.refresh);
    tools.append(input, told);
    table.parentElement.before(tools);
  }

  for (const table of document.querySelectorAll('table')) {
    const rows = table.tBodies[0].rows.length;
    makeSortable(table);
    if (table.classList.contains('list') && rows > 5) {
      makeFilterable(table);
      if (rows > LONG) {
        shorten(table);
        table.refresh();
      }
    }
  }

  // ---- flame graph: a click or Enter on a frame makes it as wide as the page, on a wider one goes back; arrows walk

  function makeFlame(graph, detail) {
    const frames = [...graph.children].map((element) => ({
      element, x: parseFloat(element.getAttribute('x')), width: parseFloat(element.getAttribute('width')),
      y: parseFloat(element.getAttribute('y')), title: element.querySelector('title').textContent,
    }));
    const within = (inner, outer) => inner.x >= outer.x - 1e-6 && inner.x + inner.width <= outer.x + outer.width + 1e-3;
    let current = frames[0], zoomed = frames[0];

    function zoom(to) {
      zoomed = to;
      for (const frame of frames) {
        const above = frame.y < to.y && within(to, frame), below = frame.y >= to.y && within(frame, to);
        frame.element.style.display = above || below ? '' : 'none';
        frame.element.classList.toggle('above', above);
        frame.element.setAttribute('x', (above ? 0 : 100 * (frame.x - to.x) / to.width) + '%');
        frame.element.setAttribute('width', (above ? 100 : 100 * frame.width / to.width) + '%');
      }
    }

    function show(frame) {
      detail.textContent = frame.title;
    }

    function go(frame) {
      if (!frame) {
        return;
      }
      current.element.setAttribute('tabindex', '-1');
      current = frame;
      current.element.setAttribute('tabindex', '0');
      current.element.focus();
      show(current);
    }

    const shown = (frame) => frame.element.style.display !== 'none';
    const beside = (step) => {
      const row = frames.filter((frame) => frame.y === current.y && shown(frame)).sort((a, b) => a.x - b.x);
      return row[row.indexOf(current) + step];
    };
    const keys = {
      ArrowUp: () => go(frames.find((f) => f.y < current.y && f.y >= current.y - 20 && within(current, f))),
      ArrowDown: () => go(frames.find((f) => f.y > current.y && f.y <= current.y + 20 && within(f, current) && shown(f))),
      ArrowLeft: () => go(beside(-1)),
      ArrowRight: () => go(beside(1)),
      Enter: () => zoom(current === zoomed ? frames[0] : current),
      ' ': () => zoom(current === zoomed ? frames[0] : current),
      Escape: () => zoom(frames[0]),
    };
    graph.addEventListener('keydown', (event) => {
      if (keys[event.key] && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        keys[event.key]();
      }
    });
    for (const frame of frames) {
      frame.element.setAttribute('tabindex', '-1');
      frame.element.setAttribute('role', 'button');
      frame.element.addEventListener('mouseenter', () => show(frame));
      frame.element.addEventListener('focus', () => show(frame));
      frame.element.addEventListener('click', () => {
        zoom(frame === zoomed ? frames[0] : frame);
        go(frame);
      });
    }
    frames[0].element.setAttribute('tabindex', '0');
    graph.setAttribute('role', 'group');
    graph.classList.add('live');
    detail.textContent = 'A click enters a frame, Escape leaves it; arrow keys go from frame to frame.';
  }

  const graph = document.getElementById('flame-graph');
  if (graph) {
    makeFlame(graph, document.getElementById('flame-detail'));
  }

  addEventListener('beforeprint', () => { // all that there is
    document.querySelectorAll('details').forEach((element) => { element.open = true; });
    document.querySelectorAll('.all').forEach((button) => button.click());
  });
})();
