# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.models import parse_read_group_spec
from odoo.tools import SQL, get_lang, split_every

from .outlook_bridge_sentence import render

PATTERNS = ("like", "ilike", "=like", "=ilike")
# Sentences, and a date that the service has as a text.
NOT_COMPARED = ("reason", "conflict_slot")
# Fields that an older service does not have, whose names it refuses.
NEWER = {"conflict_slot", "can_take_by_occurrence"}
# How many rows are asked for at once, if somebody wants all: the service answers with 20,000 at most.
PAGE = 10_000
# How many pages are asked for at most. Then the service says in words that these are too many.
MOST_PAGES = 50


class OutlookBridgeAsked(models.AbstractModel):
    """A model whose rows the service has. Whoever searches or reads it asks the service with the
    same domain, so lists, searches, groups and exports work as for any model; nothing is stored."""

    _name = "outlook.bridge.asked"
    _description = "Outlook Bridge Rows of the Service"
    _auto = False
    _log_access = False
    # Odoo wants a table of every model. The methods below see to it that no query reads this one.
    _table_query = SQL("SELECT NULL::integer AS id WHERE FALSE")

    @api.model
    def _ask(self, method, **kwargs):
        """Calls the service, which knows the model by the same name."""
        return self.env["outlook.bridge.client"]._call(self._name, method, **kwargs)

    # ------------------------------------------------------------
    # What the ORM asks of a table
    # ------------------------------------------------------------

    @api.model
    def _allowed(self, domain, bypass_access=False):
        """Returns the domain with what the user may read, as a list; False if that is nothing."""
        domain = Domain(domain)
        if not self.env["outlook.bridge.client"]._is_paired():
            return False
        if not (self.env.su or bypass_access):
            self.browse().check_access("read")
            domain &= Domain(self.env["ir.rule"]._compute_domain(self._name, "read"))
        domain = domain.optimize(self).map_conditions(self._resolve).optimize_full(self)
        return False if domain.is_false() else list(domain.map_conditions(self._as_json))

    @api.model
    def _resolve(self, condition):
        """Replaces what only Odoo knows of another model by ids of its records."""
        name, _dot, path = condition.field_expr.partition(".")
        field = self._fields.get(name)
        if not field or field.type != "many2one":
            return condition
        others = self.env[field.comodel_name].with_context(active_test=False)
        operator, value = condition.operator, condition.value
        positive = operator.removeprefix("not ")
        if positive == "any!":
            positive = "any"
        if path:
            found = others.search([(path, operator, value)])
            return Domain(name, "in", found.ids)
        if positive == "any":
            found = others.search(value)
        elif positive in PATTERNS or isinstance(value, str):
            positive = positive if positive in PATTERNS else "="
            found = others.search([("display_name", positive, value)])
        else:
            return condition
        return Domain(name, "not in" if operator.startswith(("not ", "!")) else "in", found.ids)

    @api.model
    def _as_json(self, condition):
        def plain(value):
            if isinstance(value, (str, int, float)) or value is None:
                return value
            return fields.Datetime.to_string(value)

        value = condition.value
        is_one = isinstance(value, str) or not hasattr(value, "__iter__")
        value = plain(value) if is_one else [plain(one) for one in value]
        return Domain(condition.field_expr, condition.operator, value)

    @api.model
    def _search(self, domain, offset=0, limit=None, order=None, *, active_test=True, bypass_access=False):
        domain = self._allowed(domain, bypass_access)
        if domain is False:
            return self.browse()._as_query()
        ids = self._ask_page("search", offset, limit, domain=domain, order=order or None)
        return self.browse(ids)._as_query()

    @api.model
    def _ask_page(self, method, offset, limit, **kwargs):
        """Asks for a page or, without a limit, for one page after the other until there are no more."""
        if limit:
            return self._ask(method, offset=offset, limit=limit, **kwargs)
        rows = []
        for _number in range(MOST_PAGES):
            page = self._ask(method, offset=offset + len(rows), limit=PAGE, **kwargs)
            rows += page
            if len(page) < PAGE:
                return rows
        return rows + self._ask(method, offset=offset + len(rows), limit=None, **kwargs)

    @api.model
    @api.readonly
    def search_fetch(self, domain, field_names=None, offset=0, limit=None, order=None):
        """Asks once, where Odoo would search and then read."""
        wanted = self._determine_fields_to_fetch(field_names)
        domain = self._allowed(domain)
        if domain is False:
            return self.browse()
        asked = {"domain": domain, "fields": self._names_of(wanted), "order": order or None}
        return self._fill(self._ask_page("search_read", offset, limit, **asked), wanted)

    @api.model
    @api.readonly
    def search_count(self, domain, limit=None):
        domain = self._allowed(domain)
        return 0 if domain is False else self._ask("search_count", domain=domain, limit=limit or None)

    def exists(self):
        new = self.filtered(lambda record: not record.id)
        return new + self.browse(self._search([("id", "in", self.ids)], bypass_access=True)) if self else self

    def _fetch_query(self, query, fields):
        names = self._names_of(fields)
        pages = split_every(PAGE, query)
        rows = [row for ids in pages for row in self._ask("read", ids=list(ids), fields=names)]
        return self._fill(rows, fields)

    @api.model
    def _names_of(self, wanted):
        """Returns which fields to ask for, or nothing to ask for all that the service has."""
        names = [field.name for field in wanted]
        return [] if set(names) & NEWER else names or ["id"]

    @api.model
    def _fill(self, rows, wanted):
        """Puts the service's rows into the cache and returns the records."""
        records = self.browse(row["id"] for row in rows)
        for field in wanted:
            if field.name == "id":
                continue
            values = [row.get(field.name, False) for row in rows]
            if field.type == "text":
                # a sentence of the service comes with its code and its arguments
                words = [row.get(f"{field.name}_words") for row in rows]
                values = [render(self.env, *one) for one in zip(words, values, strict=True)]
            if field.type == "many2one":
                values = self._known(field, values)
            elif field.type == "selection":
                values = [value if value in field.get_values(self.env) else False for value in values]
            cached = [field.convert_to_cache(value, self, validate=False) for value in values]
            field._insert_cache(records, cached)
        return records

    @api.model
    def _known(self, field, ids):
        """Returns the ids without those of records that were deleted since, such as users."""
        known = set(self.env[field.comodel_name].sudo().browse(filter(None, set(ids))).exists()._ids)
        return [id_ in known and id_ for id_ in ids]

    @api.model
    def fields_get(self, allfields=None, attributes=None):
        """Says what the service cannot compare."""
        found = super().fields_get(allfields, attributes)
        told = {"searchable": False, "sortable": False, "groupable": False}
        for field in (found[name] for name in NOT_COMPARED if name in found):
            field.update({name: value for name, value in told.items() if name in field})
        return found

    @api.model
    def _read_grouping_sets(self, domain, grouping_sets, aggregates=(), order=None):
        return [self._read_group(domain, groupby, aggregates) for groupby in grouping_sets]

    @api.model
    def _read_group(self, domain, groupby=(), aggregates=(), having=(), offset=0, limit=None, order=None):
        self.browse().check_access("read")
        if having:
            raise UserError(self.env._("These rows cannot be filtered by what is computed of a group."))
        domain = self._allowed(domain)
        if domain is False:
            return [] if groupby else [tuple(self._read_group_empty_value(spec) for spec in aggregates)]
        rows = self._ask(
            "read_group",
            domain=domain,
            groupby=list(groupby),
            aggregates=list(aggregates),
            order=order or None,
            offset=offset,
            limit=limit or None,
            tz=self.env.context.get("tz") or self.env.user.tz or "UTC",
            week_start=int(get_lang(self.env).week_start),
        )
        if not rows:
            return []
        columns = zip(*rows, strict=True)
        result = []
        for spec in groupby:
            values = next(columns)
            field = self._fields[parse_read_group_spec(spec)[0]]
            if field.type == "datetime":
                values = [fields.Datetime.to_datetime(value) for value in values]
            elif field.type == "many2one":
                # the group of a deleted user is one without a name
                values = self._known(field, values)
            result.append(self._read_group_postprocess_groupby(spec, values))
        result += [self._read_group_postprocess_aggregate(spec, next(columns)) for spec in aggregates]
        return list(zip(*result, strict=True))
