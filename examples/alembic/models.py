"""The application's own tables. They may refer to the marketplace's, which the extension makes."""

from uuid import UUID

from sqlalchemy import Column, ForeignKey, String, Table, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


# The part of the extension's table that foreign keys need; examples/sqlalchemy has the whole table.
add_ons = Table("add_ons", Base.metadata, Column("id", Uuid, primary_key=True), schema="marketplace")


class Favorite(Base):
    __tablename__ = "favorites"

    user_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    add_on_id: Mapped[UUID] = mapped_column(ForeignKey(add_ons.c.id, ondelete="CASCADE"), primary_key=True)
