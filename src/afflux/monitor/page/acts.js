// --- who acts: a token opens a session, whose cookie no script can read; its CSRF token goes with each act
const who = {may: false, name: null, csrf: null};
async function send(path, what) {
  const headers = {'Content-Type': 'application/json'};
  if (who.csrf) headers['X-Afflux-Csrf'] = who.csrf;
  return answered(await fetch(path, {method: 'POST', headers, body: JSON.stringify(what)}), path);
}
async function answered(answer, path) {
  let said;
  try { said = await answer.json(); } catch { said = {error: 'the supervisor answered ' + answer.status}; }
  if (answer.status === 401 && path !== 'enter') become({name: null, csrf: null});
  if (!answer.ok) throw new Error(said.error + (said.hint ? ' → ' + said.hint : ''));
  return said;
}
function become(session) {
  Object.assign(who, session);
  at('who').hidden = !who.may;
  put(at('enter'), who.name ? 'leave' : 'act …');
  put(at('acting'), who.name ? 'acting as ' + who.name : '');
  for (const row of rows.values()) row.acts.hidden = !who.name;
  letters = null;
  if (!who.name) { chosen.clear(); opened.clear(); }
  showLetters();
}
at('enter').addEventListener('click', async () => {
  if (who.name) {
    try { await send('leave', {}); } catch { /* it is over all the same */ }
    become({name: null, csrf: null});
    return;
  }
  ask({title: 'Act on this page', what: 'Who has a token may act. What is done is told with its name.', button: 'enter',
    fields: [{name: 'token', label: 'token', type: 'password'}]},
  async (given) => { become(await send('enter', given)); return ''; });
});

// --- asking before anything is done
function ask({title, what, fields, button, danger}, act) {
  const inputs = fields.map(({name, label, type, list}) => make('label', {}, label,
    make('input', {name, type: type || 'text', required: '', autocomplete: 'off', maxlength: '500', ...(list ? {placeholder: list} : {})})));
  const said = make('p', {class: 'page', role: 'alert', hidden: ''});
  const yes = make('button', {class: 'more' + (danger ? ' danger' : ''), type: 'submit'}, button);
  const no = make('button', {class: 'more', type: 'button'}, 'not now');
  const form = make('form', {}, make('h3', {}, title), make('p', {}, what), ...inputs, said, make('div', {class: 'tools'}, yes, no));
  const dialog = at('asking');
  dialog.replaceChildren(form);
  no.addEventListener('click', () => dialog.close());
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    yes.disabled = true;
    put(yes, 'at it …');
    said.hidden = true;
    try {
      const told = await act(Object.fromEntries(new FormData(form)));
      dialog.close();
      if (told) { say('told', told); at('told').scrollIntoView({block: 'nearest'}); }
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
    }
    yes.disabled = false;
    put(yes, button);
  });
  dialog.showModal();
}
const WHY = {name: 'why', label: 'why (kept with the deed)'};
async function act(what) {
  const {told} = await send('act', what);
  return told;
}

// --- what can be done to a shard
const SHARD_ACTS = {
  restart: {what: 'Its connector and task are restarted; nothing is missed.', when: (stream) => stream !== 'missing'},
  pause: {what: 'Its connector reads nothing until it is resumed. The slot keeps all changes, and the shard the WAL for them: watch its disk.', when: (stream) => stream !== 'paused' && stream !== 'missing'},
  resume: {what: 'Its connector goes on from where it stood; nothing is missed.', when: (stream) => stream === 'paused'},
  resynchronise: {what: 'Its slot is dropped and made anew, all its rows are read again, and what was deleted meanwhile goes from the targets. Tables that keep every change miss those in between.', danger: true, when: () => true},
};
function actsOf(row, name) {
  row.acts = make('div', {class: 'tools', hidden: ''});
  row.acts.hidden = !who.name;
  row.buttons = {};
  for (const [action, {what, danger}] of Object.entries(SHARD_ACTS)) {
    const button = row.buttons[action] = make('button', {class: 'more' + (danger ? ' danger' : ''), type: 'button'}, action + ' …');
    const fields = danger ? [WHY, {name: 'confirm', label: "the shard's name, to confirm", list: name}] : [WHY];
    button.addEventListener('click', () => ask({title: action + ' ' + name, what, fields, button: action, danger},
      (given) => act({action, shard: name, ...given})));
    row.acts.append(button);
  }
}
function fitActs(row, shard) {
  for (const [action, {when}] of Object.entries(SHARD_ACTS)) row.buttons[action].hidden = !when(shard.stream);
}

// --- dead letters
let letters = null, waiting = {}, lettersAsked = null;
const chosen = new Map(), opened = new Map();
function showDead(targets) {
  const now = Object.fromEntries(targets.filter((target) => target.dead_letters).map((target) => [target.sink, target.dead_letters]));
  const news = JSON.stringify(now) !== JSON.stringify(waiting);
  waiting = now;
  if (news || !letters) showLetters(news);
}
async function showLetters(again) {
  const many = Object.values(waiting).reduce((sum, each) => sum + each, 0);
  if (!who.name) {
    at('dead').hidden = !many;
    at('letters').replaceChildren(make('p', {class: 'faint'}, count(many) + (many === 1 ? ' is open. ' : ' are open. ') +
      (who.may ? 'They hold rows: enter a token (“act …”, above) to read, replay or discard them.' : '`afflux dead-letters list` shows them.')));
    return;
  }
  if (letters && !again) return;
  const asked = lettersAsked = {};
  const found = [];
  for (const sink of sinks) {
    try { found.push([sink, await answered(await fetch('dead-letters?sink=' + encodeURIComponent(sink)), 'dead-letters')]); }
    catch (error) { found.push([sink, {letters: [], many: 0, notes: [error.message]}]); }
    if (lettersAsked !== asked || !who.name) return;
  }
  letters = found;
  at('dead').hidden = !found.some(([, told]) => told.many || told.notes.length);
  at('letters').replaceChildren(...found.filter(([, told]) => told.many || told.notes.length).map(([sink, told]) => lettersOf(sink, told)));
}
function lettersOf(sink, told) {
  // What was chosen and opened stays so when the list is told anew.
  chosen.set(sink, new Set(told.letters.map((letter) => letter.id).filter((id) => chosen.has(sink) && chosen.get(sink).has(id))));
  const replay = make('button', {class: 'more', type: 'button', disabled: ''}, 'replay …');
  const discard = make('button', {class: 'more danger', type: 'button', disabled: ''}, 'discard …');
  const all = make('input', {type: 'checkbox', 'aria-label': 'all of ' + sink});
  const boxes = [];
  const fit = () => {
    const number = chosen.get(sink).size;
    for (const [button, word] of [[replay, 'replay'], [discard, 'discard']]) { button.disabled = !number; put(button, word + (number ? ' ' + number : '') + ' …'); }
  };
  const pick = (id, yes) => { if (yes) chosen.get(sink).add(id); else chosen.get(sink).delete(id); };
  all.addEventListener('change', () => { for (const [box, id] of boxes) { box.checked = all.checked; pick(id, all.checked); } fit(); });
  const settle = (action, what, danger) => ask({title: action + ' ' + many(chosen.get(sink).size, 'dead letter'), what, fields: [WHY], button: action, danger},
    async (given) => {
      try { return await act({action, sink, ids: [...chosen.get(sink)], ...given}); } finally { showLetters(true); }
    });
  replay.addEventListener('click', () => settle('replay', 'They are applied now, with what belongs together with them. Nothing comes back that is gone.'));
  discard.addEventListener('click', () => settle('discard', 'What they say will never be in the target.', true));
  const lines = told.letters.map((letter) => {
    const box = make('input', {type: 'checkbox', 'aria-label': letter.id});
    boxes.push([box, letter.id]);
    box.checked = chosen.get(sink).has(letter.id);
    const place = sink + ' ' + letter.id;
    box.addEventListener('change', () => { pick(letter.id, box.checked); fit(); });
    const inside = make('pre', {}, opened.get(place) || '');
    inside.hidden = !opened.has(place);
    const look = make('button', {class: 'plain', type: 'button', 'aria-expanded': String(!inside.hidden)}, letter.id);
    look.addEventListener('click', async () => {
      inside.hidden = !inside.hidden;
      look.setAttribute('aria-expanded', String(!inside.hidden));
      if (inside.hidden) { opened.delete(place); return; }
      try { inside.textContent = (await answered(await fetch('dead-letters?sink=' + encodeURIComponent(sink) + '&id=' + encodeURIComponent(letter.id)), 'dead-letters')).text; }
      catch (error) { inside.textContent = error.message; }
      if (!inside.hidden) opened.set(place, inside.textContent);
    });
    return make('li', {}, box, ' ', look, ' ', make('span', {class: 'faint small'}, [letter.table, 'key ' + letter.key, moment(letter.first_seen)].join(' · ')),
      make('div', {class: 'small'}, make('strong', {class: 'warning'}, letter.kind + ': '), letter.reason), inside);
  });
  fit();
  const more = told.many > told.letters.length ? make('p', {class: 'faint'}, 'the oldest ' + told.letters.length + ' of ' + count(told.many)) : '';
  return make('div', {class: 'card'}, make('div', {class: 'tools'}, make('label', {}, all, ' ' + sink + ': ' + many(told.many, 'dead letter')), replay, discard),
    ...told.notes.map((note) => make('p', {class: 'warning'}, note)), make('ul', {class: 'list'}, ...lines), more);
}

// --- begin
async function enterAgain() {
  try { become(await answered(await fetch('session'), 'session')); } catch { /* it only shows, then */ }
}
enterAgain();
follow();
