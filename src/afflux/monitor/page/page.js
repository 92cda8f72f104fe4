'use strict';
// Names and reasons come from others: they are only ever text (textContent, setAttribute), never markup.
const at = (id) => document.getElementById(id);
function make(tag, attributes, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...inside.filter((part) => part !== null && part !== ''));
  return made;
}
function draw(tag, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
function say(id, text) { at(id).textContent = text; at(id).hidden = !text; }

// --- numbers as people say them
const known = (value) => value !== null && value !== undefined;
const count = (value) => known(value) ? Math.round(value).toLocaleString('en') : '–';
const rate = (value) => !known(value) ? '–' : value > 0 && value < 10 ? value.toFixed(1) : count(value);
function size(value) {
  if (!known(value)) return '–';
  let step = 0;
  while (Math.abs(value) >= 1024 && step < 5) { value /= 1024; step += 1; }
  return (step ? value.toFixed(1) : Math.round(value)) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][step];
}
function span(seconds) {
  if (!known(seconds)) return '–';
  if (seconds < 10) return seconds.toFixed(1).replace('.0', '') + 's';
  let rest = Math.round(seconds);
  const parts = [];
  for (const [length, letter] of [[86400, 'd'], [3600, 'h'], [60, 'm'], [1, 's']]) {
    const whole = Math.floor(rest / length);
    rest -= whole * length;
    if (whole || parts.length) parts.push([whole, letter]);
  }
  return parts.slice(0, 2).filter(([whole]) => whole).map((part) => part.join('')).join(' ');
}
const clock = (iso) => iso ? iso.slice(11, 19) : '–';
const moment = (iso) => iso ? iso.slice(0, 10) + ' ' + iso.slice(11, 19) + ' UTC' : '–';
const many = (number, word) => count(number) + ' ' + word + (number === 1 ? '' : 's');
const worry = (level) => level === 'warning' || level === 'page';
function full(told) {
  if (!told) return '';
  if (!known(told.likely)) return 'not filling';
  return told.likely === 0 ? 'full' : 'full in ' + span(told.likely);
}
function range(told) {
  if (!told || !known(told.likely) || told.likely === 0) return full(told) || 'not known yet';
  return full(told) + (known(told.soonest) ? ' (' + span(told.soonest) + ' to ' + (known(told.latest) ? span(told.latest) : 'never') + ')' : '');
}

// --- the path
function node(title, big, lines, more) {
  return make('div', {class: 'card node'}, make('h3', {}, title), make('div', {class: 'big'}, big),
    ...lines.filter(Boolean).map((line) => make('div', {class: 'small'}, line)), more || null);
}
function arrow(label, moves) {
  return make('div', {class: 'arrow'}, make('div', {class: 'line' + (moves ? ' moves' : '')}), make('div', {class: 'small faint'}, label));
}
function dots(levels) {
  const held = make('div', {class: 'dots', role: 'img', 'aria-label': many(levels.length, 'shard') + ', ' + levels.filter(([, level]) => worry(level)).length + ' need you'});
  for (const [name, level] of levels) held.append(make('span', {class: 'dot ' + level, title: name + ': ' + level}));
  return held;
}
function showPath(path, now) {
  const levels = path.shards.levels, ill = levels.filter(([, level]) => worry(level)).length;
  const streams = Object.entries(path.connectors.streams).sort((one, other) => other[1] - one[1]);
  const streaming = path.connectors.streams.streaming || 0;
  const came = now && now.came, applied = now && now.applied;
  const targets = path.targets.map((target) => node(target.sink, known(target.age_seconds) ? span(target.age_seconds) + ' old' : 'age not known', [
    target.watermark ? 'holds all up to ' + clock(target.watermark) + ' UTC' : target.shards_without.length ? 'not known of ' + many(target.shards_without.length, 'shard') : '',
    known(target.lag) ? many(target.lag, 'event') + ' to apply' : 'it does not say where it stands',
    target.dead_letters ? many(target.dead_letters, 'dead letter') : '',
  ]));
  at('path').replaceChildren(
    node('Shards', count(levels.length), [ill ? many(ill, 'shard') + (ill === 1 ? ' needs you' : ' need you') : 'all are well', size(path.shards.wal) + ' of WAL kept'], dots(levels)),
    arrow('WAL', came > 0),
    node('Connectors', streaming + ' of ' + levels.length, streams.map(([name, number]) => number + ' ' + name).concat(path.connectors.workers ? [many(path.connectors.workers, 'worker')] : [])),
    arrow(rate(came) + ' events/s', came > 0),
    path.topics ? node('Topics', count(path.topics.topics), [many(path.topics.partitions, 'partition'), path.topics.leaderless ? path.topics.leaderless + ' without a leader' : ''])
      : node('Topics', '–', ['Kafka does not answer']),
    arrow(rate(applied) + ' events/s', applied > 0),
    make('div', {}, ...targets));
}

// --- the past hour
let past = [], width = 3600;
function chart(points, names) {
  const end = points.length ? points[points.length - 1].at : 0;
  const top = Math.max(0, ...points.flatMap((point) => names.map((name) => point[name] || 0)));
  const picture = draw('svg', {viewBox: '0 0 360 64', preserveAspectRatio: 'none', 'aria-hidden': 'true'});
  picture.append(draw('line', {x1: 0, x2: 360, y1: 63, y2: 63}));
  names.forEach((name, number) => {
    let run = [];
    const flush = () => {
      if (run.length) picture.append(draw('polyline', {points: run.join(' '), class: number ? 'second' : 'first'}));
      run = [];
    };
    for (const point of points) {
      if (!known(point[name])) { flush(); continue; }
      run.push((360 - (end - point.at) / width * 360).toFixed(1) + ',' + (63 - (top ? point[name] / top * 58 : 0)).toFixed(1));
    }
    flush();
  });
  return [picture, top];
}
function charted(title, points, names, words, keys) {
  const [picture, top] = chart(points, names);
  const head = make('div', {class: 'small'}, title, ...(keys || []), make('span', {class: 'faint'}, ', up to ' + words(top)));
  return make('div', {class: 'card'}, head, picture);
}
function showPast() {
  // A page that has seen little yet shows that little, and says so.
  width = past.length ? Math.min(3600, Math.max(600, past[past.length - 1].at - past[0].at)) : 600;
  say('window', 'The past ' + (width > 3500 ? 'hour' : Math.ceil(width / 60) + ' minutes'));
  const key = (name, second) => make('span', {class: 'faint'}, ' ', make('span', {class: 'key' + (second ? ' second' : '')}), ' ' + name);
  at('charts').replaceChildren(
    charted('Events a second', past, ['came', 'applied'], rate, [key('in'), key('applied', true)]),
    charted('Events not applied', past, ['lag'], count),
    charted('Age of the oldest target', past, ['age'], span));
}

// --- the shards
const AT_FIRST = 25;
const rows = new Map();
let shards = [], everything = false;
function put(cell, text) { if (cell.textContent !== text) cell.textContent = text; }
function newRow(name) {
  const row = {open: false, cells: {}};
  row.button = make('button', {type: 'button', 'aria-expanded': 'false'}, name);
  row.why = make('div', {class: 'why small'});
  row.fill = make('div', {class: 'fill'});
  row.track = make('div', {class: 'track'}, row.fill);
  row.wal = make('div', {class: 'small'});
  row.line = make('tr', {}, make('td', {class: 'name'}, row.button, row.why));
  const cell = (key, label, css) => { row.cells[key] = make('td', {class: css || '', 'data-label': label}); row.line.append(row.cells[key]); };
  cell('stream', 'stream');
  cell('slot', 'slot', 'short');
  row.line.append(make('td', {class: 'wal'}, row.track, row.wal));
  for (const [key, label] of [['came', 'events/s'], ['lag', 'lag'], ['age', 'age'], ['mark', 'all in up to'], ['dead', 'dead letters']]) cell(key, label, 'number');
  row.told = make('div');
  actsOf(row, name);
  row.inside = make('td', {colspan: '9'}, row.told, row.acts);
  row.detail = make('tr', {class: 'detail', hidden: ''}, row.inside);
  row.button.addEventListener('click', () => {
    row.open = !row.open;
    row.button.setAttribute('aria-expanded', String(row.open));
    row.detail.hidden = !row.open;
    if (row.open) tell(row, shards.find((shard) => shard.shard === name));
  });
  return row;
}
function fill(row, shard) {
  row.line.dataset.level = shard.level;
  const first = shard.findings[0];
  put(row.why, first ? first.what : shard.doing ? shard.doing.cause + ': ' + shard.doing.doing : '');
  row.why.className = 'why small ' + (first ? first.level : 'note');
  put(row.cells.stream, shard.stream);
  put(row.cells.slot, shard.slot === 'reserved' || shard.slot === 'extended' ? (shard.slot_read ? 'read' : 'not read') : shard.slot);
  const used = shard.wal_used, told = shard.wal_full_in_seconds;
  row.track.hidden = !known(used);
  row.fill.style.width = Math.round((used || 0) * 100) + '%';
  row.fill.className = 'fill ' + (used >= 0.9 ? 'page' : used >= 0.6 ? 'warning' : '');
  const parts = [size(shard.wal_retained_bytes)];
  if (known(used)) parts.push(Math.round(used * 100) + '%', full(told));
  put(row.wal, parts.filter(Boolean).join(' · '));
  put(row.cells.came, rate(shard.came));
  put(row.cells.lag, count(shard.lag_events));
  put(row.cells.age, span(shard.age_seconds));
  put(row.cells.mark, clock(shard.watermark));
  put(row.cells.dead, count(shard.dead_letters));
  fitActs(row, shard);
  if (row.open) tell(row, shard);
}
async function tell(row, shard) {
  if (!shard) return;
  const facts = [
    ['room for WAL', known(shard.wal_used) ? range(shard.wal_full_in_seconds) : 'nothing limits it'],
    ['WAL grows by', known(shard.wal_growth_bytes_per_second) ? size(shard.wal_growth_bytes_per_second) + '/s' : '–'],
    ['in Kafka, not applied', size(shard.lag_bytes)],
    ['all in up to', moment(shard.watermark)],
    ['heartbeat', known(shard.heartbeat_age_seconds) ? span(shard.heartbeat_age_seconds) + ' ago' : '–'],
    ["its clock against this machine's", known(shard.clock_ahead_seconds) ? (shard.clock_ahead_seconds >= 0 ? '+' : '') + shard.clock_ahead_seconds.toFixed(3) + 's' : '–'],
    ['topics not read on', shard.stopped_topics.join(', ') || 'none'],
  ];
  if (shard.doing) facts.push(['what is done about it', shard.doing.cause + ': ' + shard.doing.doing + (shard.doing.tries ? ', ' + shard.doing.tries + ' times so far' : '')]);
  const list = make('dl', {}, ...facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))));
  const said = make('ul', {}, ...shard.findings.map((finding) => make('li', {}, make('span', {class: finding.level}, finding.what), finding.next ? make('span', {class: 'faint'}, ' → ' + finding.next) : null)));
  const asked = row.asked = {};
  let points = [];
  try { points = await (await fetch('history?shard=' + encodeURIComponent(shard.shard))).json(); } catch { /* the live line says so */ }
  if (row.asked !== asked) return;
  row.told.replaceChildren(shard.findings.length ? said : '', list, make('div', {class: 'charts'},
    charted('Events not applied', points, ['lag'], count), charted('Age', points, ['age'], span), charted('WAL kept', points, ['wal'], size)));
}
function showShards() {
  const wanted = at('search').value.trim().toLowerCase(), only = at('worried').checked;
  const found = shards.filter((shard) => shard.shard.toLowerCase().includes(wanted) && (!only || worry(shard.level)));
  const ill = found.filter((shard) => worry(shard.level)).length;
  const shown = everything ? found : found.slice(0, Math.max(AT_FIRST, ill));
  const lines = [];
  for (const shard of shown) {
    if (!rows.has(shard.shard)) rows.set(shard.shard, newRow(shard.shard));
    const row = rows.get(shard.shard);
    fill(row, shard);
    lines.push(row.line, row.detail);
  }
  const body = at('shards');
  if (lines.length !== body.children.length || lines.some((line, number) => body.children[number] !== line)) body.replaceChildren(...lines);
  const names = new Set(shards.map((shard) => shard.shard));
  for (const name of rows.keys()) if (!names.has(name)) rows.delete(name);
  say('count', found.length === shards.length ? '' : many(found.length, 'shard') + ' of ' + shards.length);
  say('more', shown.length < found.length ? 'show all ' + many(found.length, 'shard') : '');
}
at('search').addEventListener('input', showShards);
at('worried').addEventListener('change', showShards);
at('more').addEventListener('click', () => { everything = true; showShards(); });

// --- alerts and deeds
function showAlerts(alerts, parts) {
  const lines = parts.flatMap((part) => part.findings.map((finding) => make('li', {}, make('strong', {class: finding.level}, part.part + ': '), finding.what, finding.next ? make('div', {class: 'small faint'}, '→ ' + finding.next) : null)));
  for (const alert of alerts) {
    lines.push(make('li', {}, make('strong', {class: alert.severity}, alert.name + ' '), alert.summary,
      make('div', {class: 'small faint'}, 'since ' + moment(alert.began) + ' · ' + alert.runbook)));
  }
  at('alerts').replaceChildren(...lines);
  at('alarms').hidden = !lines.length;
}
function showDeeds(deeds) {
  if (!deeds.length) return;
  at('deeds').replaceChildren(...deeds.map((deed) => make('li', {},
    make('span', {class: 'faint small'}, moment(deed.at) + ' '), make('strong', {}, deed.action + ' '), deed.object + ' ',
    make('span', {class: deed.result === 'done' ? 'well' : 'warning'}, deed.result === 'cut off' ? 'no end told' : deed.result),
    make('div', {class: 'small'}, [deed.cause, deed.why, deed.error].filter(Boolean).join(' · ')),
    make('div', {class: 'small faint'}, 'by ' + deed.by))));
}

// --- schemas: where shards differ from each other, and from contracts
function where(names) { return names.length > 4 ? names.slice(0, 3).join(', ') + ' and ' + (names.length - 3) + ' more' : names.join(', '); }
function showSchemas(found) {
  if (!found) return;
  if (found.problem) { at('schemas').replaceChildren(make('li', {class: 'warning'}, "can't be compared: " + found.problem)); return; }
  const line = (table, field, words, css) => make('li', {}, make('strong', {}, table + (field ? ' · ' + field : '')), ' ', make('span', {class: css || ''}, words));
  const lines = found.breaches.map((each) => line(each.table, each.field, 'the contract says ' + each.promised + ', there is ' + each.found + (each.where.length ? ' on ' + where(each.where) : ''), 'warning'));
  for (const each of found.apart) lines.push(line(each.table, each.field, Object.entries(each.values).map(([what, names]) => what + ': ' + where(names)).join(' · '), 'warning'));
  for (const each of found.unseen) lines.push(make('li', {class: 'warning'}, 'not looked at: ' + each));
  if (!lines.length) lines.push(make('li', {class: 'well'}, 'all shards are alike' + (found.contracts ? ', and keep ' + many(found.contracts, 'contract') : '')));
  for (const each of found.notes) lines.push(make('li', {class: 'faint'}, each));
  at('schemas').replaceChildren(...lines);
}

// --- live
let sinks = [];
let heard = 0, lastAt = '';
function show(seen) {
  heard = Date.now();
  lastAt = seen.at;
  shards = seen.shards;
  say('topology', seen.topology);
  document.title = (worry(seen.level) ? '● ' : '') + seen.topology + ' · afflux';
  at('top').dataset.level = seen.level;
  say('verdict', seen.verdict);
  say('next', seen.next ? '→ ' + seen.next : '');
  say('standing', seen.waiting ? 'this supervisor waits: ' + seen.waiting : seen.leads ? '' : 'this supervisor stands by: what is done about failures is known to the one that acts');
  if (seen.now && (!past.length || past[past.length - 1].at < seen.now.at)) past.push(seen.now);
  while (past.length > 360) past.shift();
  showPath(seen.path, seen.now);
  showPast();
  showAlerts(seen.alerts, seen.parts);
  showShards();
  sinks = seen.path.targets.map((target) => target.sink);
  showDead(seen.path.targets);
  showSchemas(seen.schemas);
  showDeeds(seen.deeds);
  showLive();
}
function showLive() {
  const silent = (Date.now() - heard) / 1000;
  const text = !heard ? 'connecting …' : silent > 45 ? 'nothing new for ' + span(silent) + ': this is how it was at ' + clock(lastAt) + ' UTC' : 'live · ' + clock(lastAt) + ' UTC';
  put(at('live'), text);
  at('live').className = 'small ' + (silent > 45 ? 'page' : 'faint');
}
async function follow() {
  const events = new EventSource('live');
  events.onopen = async () => {
    try { past = await (await fetch('history')).json(); showPast(); } catch { /* what comes live is enough */ }
  };
  events.onmessage = (event) => show(JSON.parse(event.data));
  // A browser that was refused does not ask again by itself.
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) setTimeout(follow, 10000); };
}
setInterval(showLive, 5000);
